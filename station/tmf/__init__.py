"""What every TM Forum API shares: fields, filters and pages of a query (TMF630), errors, and the hub with its events.

Each API lives with its domain and is made of `route.api_router`, `query.page` and `hub.Hub`.
"""
