"""What people and programs look at: the HTTP server with its guards, the web console, live events, health and metrics.

`create_app(parts)` builds it all; the domains bring their routers, the console uses only the public API.
"""
