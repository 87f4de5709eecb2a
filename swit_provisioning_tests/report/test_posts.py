"""A message becomes posts that are short enough, in order, and hold every line."""

import json

from hypothesis import given
from hypothesis import strategies as st

from swit_provisioning.report.messages import MOST_CHARACTERS, Message, alert_posts, chat_posts


def _message(*lines: str) -> Message:
    return Message(event="run", severity="info", lines=lines, facts={"status": "applied"})


def _texts(posts: list[str]) -> list[str]:
    return [json.loads(post)["text"] for post in posts]


def test_a_short_message_is_one_post() -> None:
    assert _texts(chat_posts(_message("Applied", "1 user to create"))) == [
        "Applied\n1 user to create"
    ]
    (post,) = map(json.loads, alert_posts(_message("Applied", "1 user to create")))
    assert post == {
        "event": "run",
        "severity": "info",
        "title": "Applied",
        "text": "Applied\n1 user to create",
        "part": 1,
        "parts": 1,
        "status": "applied",
    }


def test_a_long_message_is_split_between_lines_and_says_which_of_how_many() -> None:
    lines = [f"- line {number} {'x' * 90}" for number in range(400)]
    for posts in (chat_posts(_message(*lines)), alert_posts(_message(*lines))):
        texts = _texts(posts)
        assert len(texts) > 3
        for number, text in enumerate(texts, start=1):
            assert text.startswith(f"({number}/{len(texts)})\n")
        joined = [line for text in texts for line in text.split("\n")[1:]]
        assert joined == lines


def test_only_the_first_post_for_programs_has_the_facts() -> None:
    posts = list(map(json.loads, alert_posts(_message(*["y" * 5000] * 6))))
    assert [post.get("status") for post in posts] == ["applied", *[None] * (len(posts) - 1)]
    assert [post["part"] for post in posts] == list(range(1, len(posts) + 1))


def test_a_post_just_as_long_as_may_be_is_one_and_a_character_more_makes_two() -> None:
    room = MOST_CHARACTERS - len("(1000/1000)\\n") - len("\n")
    assert len(chat_posts(_message("z" * room))) == 1
    assert len(chat_posts(_message("z" * (room + 1)))) == 2


@given(
    st.lists(
        st.builds(
            lambda character, times: character * times,
            st.sampled_from(["a", '"', "\\", "é", "\N{PILE OF POO}", "\x01", "한"]),
            st.integers(1, 15_000),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_no_post_is_longer_than_swit_takes_and_nothing_is_lost(lines: list[str]) -> None:
    message = _message(*lines)
    for text in _texts(chat_posts(message)):
        assert len(text.encode("utf-16-le")) // 2 <= MOST_CHARACTERS
    for post in alert_posts(message):
        assert len(post) <= MOST_CHARACTERS
    for posts in (chat_posts(message), alert_posts(message)):
        texts = _texts(posts)
        bodies = [text.partition("\n")[2] for text in texts] if len(texts) > 1 else texts
        assert "".join(bodies).replace("\n", "") == "".join(lines)
