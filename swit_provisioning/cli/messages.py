"""The webhooks, as `check` speaks of them: hosts only, since whoever knows an address may post."""

from rich.console import Console

from swit_provisioning.messages.delivery import channels, no_channels, post_at_once
from swit_provisioning.report.posts import Message
from swit_provisioning.settings import Settings

_SHOWN = {
    "messages": "people are codes in them",
    "everywhere": "people are codes in them",
    "nowhere": "with people's names (HIDE_NAMES=nowhere)",
}


def say_webhooks(console: Console, settings: Settings) -> None:
    """Where messages go."""
    found = channels(settings)
    where = [f"{channel.webhook.variable} ({channel.webhook.host})" for channel in found]
    told = f"{' and '.join(where)}, {_SHOWN[settings.hide_names]}" if where else "nowhere"
    console.print(f"Messages go to: {told}", markup=False, highlight=False, soft_wrap=True)
    for channel in found:
        if channel.webhook.is_readable_on_the_way:
            warning = (
                f"Warning: {channel.webhook.variable} begins with http: whoever listens on the"
                " way can read the messages, and post there too. Use https."
            )
            console.print(warning, style="yellow", markup=False, soft_wrap=True)


def sent_message(console: Console, trouble: Console, settings: Settings) -> bool:
    """Post one message to every webhook now, and say what came of it; whether all took it."""
    found = channels(settings)
    if not found:
        trouble.print(no_channels(settings), highlight=False, soft_wrap=True)
        return False
    mode = "" if settings.mode == "live" else f"{settings.mode} · "
    words = f"{mode}Swit provisioning: a message sent by hand, to see that it arrives."
    message = Message(event="test", severity="info", lines=(words,), facts={"mode": settings.mode})
    troubles = post_at_once(settings, message)
    for said in troubles:
        trouble.print(said, style="red", markup=False, highlight=False, soft_wrap=True)
    if not troubles:
        console.print(f"A message was sent to {len(found)} webhook(s).", highlight=False)
    return not troubles
