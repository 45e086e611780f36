"""What customers owe and what they paid: payments, their allocation to documents, refunds, write-offs and statements.

Facts are appended: what is open is what was issued less what was allocated, under one lock for each account.
"""
