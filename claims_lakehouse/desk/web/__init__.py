"""The desk as a web page: its routes, who may use them, and what protects them."""
