"""Look-ups over HTTP and the page: reads the view, writes nothing."""
