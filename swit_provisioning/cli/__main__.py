"""The script `swit-provisioning`, and `python -P -m swit_provisioning.cli`, which is the same."""

import gc

_NEW_OBJECTS = 100_000


def run() -> None:
    """Run the command that this process was started for, and end the process."""
    # Importing makes half a million objects that all stay; by default Python looks for garbage
    # among them hundreds of times, and once more at the end.
    gc.set_threshold(_NEW_OBJECTS)
    from swit_provisioning.cli.main import main  # noqa: PLC0415 - not before

    try:
        main(prog_name="swit-provisioning")
    finally:
        gc.freeze()


if __name__ == "__main__":
    run()
