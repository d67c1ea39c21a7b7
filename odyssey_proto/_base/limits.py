"""The limits that guard this machine against an untrusted server: sizes, counts, and rates.

They are far above what the service sends. Most are low enough that reaching one costs at most a second or about
ten MB. The protocol's own limits are in the modules that implement it. SECURITY.md has the same numbers.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ADDRESS_MOST_CHARS",
    "ANSWER_MOST_BYTES",
    "CANDIDATES_MOST",
    "CANDIDATE_MOST_CHARS",
    "CASSETTE_HEAD_MOST_BYTES",
    "CASSETTE_PAYLOAD_MOST_BYTES",
    "CASSETTE_RECORDS_MOST",
    "CASSETTE_SECRETS_MOST",
    "CHANNEL_MESSAGES_MOST_PER_S",
    "CHANNEL_MOST_HELD_BYTES",
    "CHANNEL_MOST_HELD_CHUNKS",
    "CHANNEL_STREAMS_MOST",
    "ERROR_TEXT_MOST_CHARS",
    "EVENTS_MOST_WAITING",
    "EVENTS_MOST_WAITING_BYTES",
    "EVENT_LOG_LINE_MOST_BYTES",
    "FILE_MOST_BYTES",
    "FRAMES_MOST_AHEAD",
    "HEAD_MOST_BYTES",
    "HLS_ADDRESSES_MOST_BYTES",
    "HLS_PLAYLIST_MOST_BYTES",
    "HLS_PLAYLIST_MOST_LINES",
    "HLS_RELOAD_LEAST_S",
    "HLS_SEGMENT_MOST_BYTES",
    "HLS_VARIANTS_MOST",
    "ICE_SERVERS_MOST",
    "IDENTIFIER_MOST_CHARS",
    "JSON_MOST_CONTAINERS",
    "LIST_MOST_ITEMS",
    "NOTE_MOST_BYTES",
    "OFFERS_MOST_WAITING",
    "PAGES_WITHOUT_NEWS_MOST",
    "PICTURE_MOST_PX",
    "PROBLEMS_MOST_SHOWN",
    "REDIRECTS_MOST",
    "REPORTS_MOST_HELD",
    "RETRY_AFTER_MOST_S",
    "ROWS_MOST",
    "RTP_SOURCES_MOST",
    "SDP_CODECS_MOST",
    "SDP_LINES_MOST",
    "SDP_LINES_MOST_PER_KIND",
    "SDP_LINE_MOST_CHARS",
    "SDP_MOST_BYTES",
    "SDP_SECTIONS_MOST",
    "SIGNALING_FRAMES_MOST_PER_S",
    "SIGNALING_RECEIVED_MOST_BYTES",
    "SMALL_ANSWER_MOST_BYTES",
    "TOKEN_MOST_CHARS",
    "WORDS_MOST_CHARS",
]

# --- answers over HTTP

HEAD_MOST_BYTES: Final = 256 * 1024
"""The head of a response, interim responses included. In practice, the longest have about 10 KiB."""
ANSWER_MOST_BYTES: Final = 4 * 1024 * 1024
"""A page of a list, or a simulation job, unpacked. A hundred rows with signed addresses take about 500 KiB."""
SMALL_ANSWER_MOST_BYTES: Final = 256 * 1024
"""Any other response, and the body of an error, unpacked. None has more than a few KiB."""
FILE_MOST_BYTES: Final = 64 * 1024 * 1024 * 1024
"""A file of a recording. A day of video at 5 Mbit/s is 54 GB; an endless file would fill the disk."""
REDIRECTS_MOST: Final = 10
"""Redirects that one request follows; the official clients follow as many."""
ADDRESS_MOST_CHARS: Final = 16 * 1024
"""An address that a server names. Signed ones have up to 4,000 characters; servers refuse much longer ones."""
RETRY_AFTER_MOST_S: Final = 24 * 3600.0
"""A pause that the service demands, in s; a longer one is cut to this."""
ICE_SERVERS_MOST: Final = 8
"""ICE servers of each kind, STUN and TURN, that are used: each name costs a thread for its lookup."""

# --- JSON

JSON_MOST_CONTAINERS: Final = 100_000
"""Objects and lists in one text: each takes up to 250 bytes of memory, however short it is on the wire."""
ROWS_MOST: Final = 10_000
"""Rows of one list that are read; the others are only counted. A page has at most a hundred."""
PROBLEMS_MOST_SHOWN: Final = 10
"""Faults of one text that are reported in detail; the rest are only counted."""
IDENTIFIER_MOST_CHARS: Final = 256
"""An id. Those of the service have 36 characters."""
TOKEN_MOST_CHARS: Final = 16 * 1024
"""A token: it goes into a header or an address. Those of the service have about 500 characters."""
LIST_MOST_ITEMS: Final = 1_000_000
"""Items of a list over all its pages, which are remembered so that none comes twice."""
PAGES_WITHOUT_NEWS_MOST: Final = 10
"""Consecutive pages without a new item, after which a list ends; the first such page ends it if no rows were left
out and the list has not grown."""

# --- texts

WORDS_MOST_CHARS: Final = 300
"""A server's own words in an error."""
ERROR_TEXT_MOST_CHARS: Final = 600
"""The whole text of an error: what went wrong, a server's words, and what to do."""

# --- signaling and data channels

SIGNALING_RECEIVED_MOST_BYTES: Final = 8 * 1024 * 1024
"""A message from the signaling server. The protocol allows 64 MiB, which only a client with an image sends."""
SIGNALING_FRAMES_MOST_PER_S: Final = 500
"""WebSocket frames per second, pings included; the rest waits at the server. A connection begins with about 50."""
CHANNEL_MOST_HELD_BYTES: Final = 1024 * 1024
"""Parts of unfinished messages on data channels. A message has about 1 KiB."""
CHANNEL_MOST_HELD_CHUNKS: Final = 2000
"""The same, as a number of packets: each new one makes aiortc look through all of them."""
CHANNEL_STREAMS_MOST: Final = 64
"""SCTP streams, one for each data channel. A session has two."""
CHANNEL_MESSAGES_MOST_PER_S: Final = 200
"""Messages per second on data channels, on average, with bursts of 1000. An answer comes every second."""
REPORTS_MOST_HELD: Final = 1000
"""Messages of a streamer that wait until the session is connected. There are at most a handful."""
EVENTS_MOST_WAITING: Final = 10_000
"""Events that wait for one reader or for the handlers; if there are more, the oldest are left out."""
EVENTS_MOST_WAITING_BYTES: Final = 64 * 1024 * 1024
"""The texts of these events, each as long as a message may be, and the last frames of streams among them."""

# --- SDP and ICE

SDP_MOST_BYTES: Final = 256 * 1024
"""An offer or an answer. Browsers with every codec write 20 KiB."""
SDP_SECTIONS_MOST: Final = 16
"""Sections of media: each may open sockets. A session has three."""
SDP_LINES_MOST: Final = 3000
"""Lines besides candidates, in all sections together. Browsers with every codec write 700."""
SDP_CODECS_MOST: Final = 100
"""Codecs of one section: aiortc gives each of them every feedback line that fits. Browsers write 50."""
SDP_LINES_MOST_PER_KIND: Final = 300
"""Lines of one attribute in one section: aiortc compares many of them with all others. Browsers write 120."""
SDP_LINE_MOST_CHARS: Final = 8 * 1024
"""One line."""
CANDIDATES_MOST: Final = 100
"""Candidates of the other side, in all its descriptions and messages; the rest is ignored. Ten is already many."""
CANDIDATE_MOST_CHARS: Final = 1024
"""One candidate. With all extensions, it has 200 characters."""
OFFERS_MOST_WAITING: Final = 8
"""Offers that came while another was being answered."""

RTP_SOURCES_MOST: Final = 16
"""RTP streams (SSRCs) of one video: the video and its retransmissions. A receiver report has room for 31."""

# --- pictures

PICTURE_MOST_PX: Final = 36_864 * 256
"""Width × height of a picture, unless `AdvancedConfig.max_pixels` says otherwise: level 5.1 of H.264, which is 4K.
A decoder keeps up to 17 pictures of 1.5 bytes a pixel."""
HLS_SEGMENT_MOST_BYTES: Final = 64 * 1024 * 1024
"""A segment: 2.5 Mbit/s for more than 3 min."""
HLS_PLAYLIST_MOST_BYTES: Final = 4 * 1024 * 1024
"""A playlist: 12 h of segments of 2 s with signed addresses."""
HLS_PLAYLIST_MOST_LINES: Final = 100_000
"""Lines of a playlist: FFmpeg keeps a structure for each segment."""
HLS_ADDRESSES_MOST_BYTES: Final = 32 * 1024 * 1024
"""Addresses in a playlist, each with the one to which it is relative: 12 h of segments with 1 KiB each."""
HLS_VARIANTS_MOST: Final = 200
"""Playlists that a playlist of variants names: FFmpeg fetches all of them at the start."""
HLS_RELOAD_LEAST_S: Final = 0.25
"""The shortest time in s from one request for a playlist to the next for it, whatever the playlist says."""

FRAMES_MOST_AHEAD: Final = 64
"""Frames that wait until they are due: 250 ms at 256 fps."""

# --- files

EVENT_LOG_LINE_MOST_BYTES: Final = 64 * 1024 * 1024
"""A line of an event log, in bytes or characters: as much as a message with an image may have."""
NOTE_MOST_BYTES: Final = 16 * 1024
"""The note beside an unfinished download, which any program may have written."""
CASSETTE_HEAD_MOST_BYTES: Final = 64 * 1024
"""The head of a record of a live cassette. One has about 100 bytes."""
CASSETTE_PAYLOAD_MOST_BYTES: Final = 64 * 1024 * 1024
"""The payload of a record of a live cassette: as much as a message with an image may have."""
CASSETTE_RECORDS_MOST: Final = 2_000_000
"""Records of a live cassette: a day of video. Each costs about 500 bytes of memory."""
CASSETTE_SECRETS_MOST: Final = 50
"""Secrets seen while a live cassette is written, each of which is masked wherever it recurs. A link has five."""
