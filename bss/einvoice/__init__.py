"""Electronic invoices by EN 16931: an issued document as business terms, written as UBL 2.1 or as UN/CEFACT CII D16B."""
