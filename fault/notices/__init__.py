"""What customers and the public are told of an incident: drafted from its impact, read and sent by a person.

`texts` are templates as data, `drafts` fills them, `desk` keeps drafts and posts letters through the outbox.
"""
