"""The cassettes of `tests/wire/cassettes`: recorded HTTP, scrubbed, against which the client is tested offline.

`scenes` says what is recorded, `scrub` what is taken out, `leaks` looks whether that was all, `tape` puts vcrpy in
between, and `record` makes the files. None of it is part of the library.
"""
