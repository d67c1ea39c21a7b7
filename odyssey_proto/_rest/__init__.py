"""Operations built on the REST calls: lists, jobs, downloads, credentials, telemetry. No socket is opened here."""

__all__: list[str] = []
