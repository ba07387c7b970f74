"""The SDK under whichever of its two names is installed."""

try:
    from yourbot_sdk import KvQuotaError, Plugin, SdkError
except ModuleNotFoundError:  # before version 0.6
    from mmo_maid_sdk import KvQuotaError, Plugin, SdkError

__all__ = ["KvQuotaError", "Plugin", "SdkError"]
