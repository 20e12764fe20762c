"""The public card of a product: HTML without script, and the web component that shows it on other pages."""
