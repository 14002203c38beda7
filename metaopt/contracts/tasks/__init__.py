"""What is trained: tasks, few-shot tasks, and corpora of them."""
