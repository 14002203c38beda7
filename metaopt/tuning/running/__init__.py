"""Where evaluations are computed: processes, populations, black boxes, few-shot learners."""
