"""What schemathesis does not know by itself: bytes of uploads are sent as they are (tus)."""

import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
