import logging
import sys
import threading

from metaopt.tuning.executors.ray_cluster.quiet import logged


def say(text, name):
    thread = threading.Thread(target=print, args=(text,), name=name)
    thread.start()
    thread.join()


def test_what_ray_prints_goes_to_the_file_and_the_rest_where_it_went(tmp_path, capsys):
    path = tmp_path / "ray.log"
    before = sys.stdout
    with logged(path) as leaving:
        say("a node died", "ray_listen_error_messages")
        say("a client's node died", "Thread-4 (_log_main)")
        say("a result", "worker-1")
        print("ours")
        logging.getLogger("ray").warning("a warning")
        logging.getLogger("ray.util").error("an error")
        leaving()
        print("the rest")
    print("afterwards")
    assert sys.stdout is before
    assert capsys.readouterr() == ("a result\nours\nafterwards\n", "")
    text = path.read_text()
    for part in (
        "a node died",
        "a client's node died",
        "WARNING ray: a warning",
        "ERROR ray.util: an error",
        "the rest",
    ):
        assert part in text
    assert "ours" not in text


def test_a_stream_that_somebody_else_has_put_there_stays(tmp_path, monkeypatch, capsys):
    with logged(None):
        divided = sys.stdout
        monkeypatch.setattr(sys, "stdout", sys.__stderr__)
        say("nobody reads this", "ray_print_logs")
    assert sys.stdout is sys.__stderr__
    divided.write("later\n")  # who has kept it can still write
    assert capsys.readouterr().out == "later\n"
