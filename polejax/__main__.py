"""`python -m polejax`: the command line, where no script is installed."""

from polejax.jobs.cli import main

if __name__ == "__main__":
    main()
