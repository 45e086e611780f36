"""Who the operator deals with: customers, parties, accounts, agreements, what they consented to and what was said with them.

A customer is a row of the inventory, so that services and money hang on it; what else is known of it is kept beside as a document.
"""
