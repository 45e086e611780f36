"""The business side: `rating` prices usage by dated tariffs, `billing` freezes invoices, `explain` leads back to the samples.

Money is whole minor units with its currency; a quantity that is not whole is a Decimal; no float touches either.
"""
