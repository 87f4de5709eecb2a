"""The script `swit-provisioning`, and `python -P -m swit_provisioning.cli`, which is the same."""

import gc

_NEW_OBJECTS = 100_000


def run() -> None:
    """Run the command in `sys.argv`, and end the process."""
    # Importing creates half a million objects that stay alive. By default, Python would search
    # them for garbage hundreds of times, and once more at the end.
    gc.set_threshold(_NEW_OBJECTS)
    from swit_provisioning.cli.main import main  # noqa: PLC0415 - after the line above

    try:
        main(prog_name="swit-provisioning")
    finally:
        gc.freeze()


if __name__ == "__main__":
    run()
