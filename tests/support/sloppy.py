"""The tests that cannot pass while emulators are sloppy (``--sloppy SEED``), each with the reason.

All other tests must pass, because the messages of a sloppy emulator have the same meaning.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LEFT_OUT", "reason_to_leave_out"]

LEFT_OUT: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "tests/live/test_spectator_hls.py::test_a_server_that_fails_in_the_middle_is_reported",
            "tests/live/test_spectator_rejoin.py::test_a_playlist_that_gets_no_new_segment_is_lost_and_read_again",
            "tests/live/test_spectator_rejoin.py::test_a_playlist_that_is_gone_after_a_loss_is_the_end",
        ),
        "copies a playlist by a plain client, which reads it as it comes",
    ),
    **dict.fromkeys(
        (
            f"tests/live/test_prepared_links.py::test_{name}"
            for name in (
                "all_but_the_handshake_is_done_ahead_and_nothing_twice",
                "an_answer_that_did_not_come_ahead_is_asked_for_again",
                "what_is_prepared_at_addresses_that_the_machine_has_left_is_prepared_again",
            )
        ),
        "counts the requests, of which a redirect makes two",
    ),
    **dict.fromkeys(
        (
            "tests/live/test_cassettes.py",
            "tests/live/test_codec_threads.py::test_of_a_stream_its_recordings_and_its_replay",
        ),
        "replays what was sloppy, and the contract knows it only of the emulator that made it up",
    ),
    "tests/live/test_logging.py::test_debug_logs_what_is_sent_and_received_without_secrets": (
        "compares the log with the text of messages"
    ),
}
"""Reasons, by file, or by file, ``::`` and the name of a test."""


def reason_to_leave_out(nodeid: str) -> str | None:
    """Return why a test is left out; None if it runs."""
    name = nodeid.partition("[")[0].partition("@")[0]
    return LEFT_OUT.get(name) or LEFT_OUT.get(name.partition("::")[0])
