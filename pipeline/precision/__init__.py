"""Whether weights may compute in a lower precision than fp32."""
