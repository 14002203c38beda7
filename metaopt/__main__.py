"""`python -m metaopt`: the same as `metaopt`."""

from metaopt.cli import main

if __name__ == "__main__":
    main()
