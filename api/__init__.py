"""The REST API: one module per resource, its schemas at the door it guards, and the OpenAPI document made from the same schemas."""
