"""The cassettes of `tests/wire/cassettes`: recorded and scrubbed HTTP, for offline tests of the client.

`scenes` lists what to record, `scrub` removes secrets, `leaks` checks that none are left, `tape` connects vcrpy,
and `record` writes the files. None of it is part of the library.
"""
