"""Teaches schemathesis to send upload bytes unchanged (tus)."""

import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
