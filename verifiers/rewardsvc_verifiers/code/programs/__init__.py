"""What runs inside a box, one module per kind of zygote. Nothing here is trusted."""
