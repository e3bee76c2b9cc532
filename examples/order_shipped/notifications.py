"""A shop's own notification: when an order is shipped, its buyer gets an e-mail."""

from tidings import Email, Workflow

ORDER_SHIPPED = Workflow(
    key="order-shipped",
    on="ORDER_SHIPPED",
    steps=[Email("order-shipped")],
)
