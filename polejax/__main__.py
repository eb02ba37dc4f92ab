"""The command `polejax`, and `python -m polejax`: signals are handled before JAX is imported."""

from polejax.jobs import interruption


def main() -> None:
    """Run the command line; see `polejax.jobs.cli`."""
    interruption.end_on_signals()
    from polejax.jobs import cli

    cli.main()


if __name__ == "__main__":
    main()
