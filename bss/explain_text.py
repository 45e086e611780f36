"""An explanation as lines for a terminal."""

from bss import money
from bss.explain import Explanation


def text(tree: Explanation) -> str:
    """The explanation as lines for a terminal, from the invoice down; control characters from outside are shown, not obeyed."""
    head, line, slots = tree["invoice"], tree["line"], tree["slots"]
    amount = f"{money.text(line['amount_minor'], head['currency'])} {head['currency']}"
    rows = [
        f"{head['number']} line {line['no']}: {line['description']}",
        f"  {line['quantity']} {line['unit']} at {line['unit_price']} = {amount}",
        f"  tariff {line['tariff']['name']} of {line['tariff']['effective']}, sha256 {line['tariff']['sha256'][:16]}"
        if line["tariff"]["name"]
        else "  asked for once",
    ]
    rows += [f"  {name}: {value}" for name, value in line["computation"].items() if isinstance(value, str | int)]
    if line["corrects"]:
        rows.append(f"  corrects {line['corrects'].get('invoice', 'a period billed without it')}, {line['corrects']['period']}")
    rows.append(f"  usage records: {tree['usage_total']}, sha256 {tree['usage_sha256'][:16]}")
    rows += [
        f"    {use['from']} {use['interface']} rev {use['revision']} id {use['id'][:16]} chain {use['chain'][:16]}" for use in tree["usage"]
    ]
    rows.append(f"  slots: {slots['total']}, " + ", ".join(f"{n} {name}" for name, n in slots["counts"].items()))
    if not slots["agrees"]:
        rows.append("  ranked again, the slots do NOT give what was billed")
    rows += [
        f"    rank {s['rank'] or '-'}  {s['start']}  in {s['in_octets']}  out {s['out_octets']}  {s['mark']}" for s in slots["decisive"]
    ]
    for raw in tree["raw"]:
        rows.append(f"  raw samples of {raw['interface']} around {raw['slot']} {raw['note']}".rstrip())
        rows += [f"    {s['time']}  in {s['in_octets']}  out {s['out_octets']}  {s['verdict']}" for s in raw["samples"]]
    return "\n".join("".join(c if c.isprintable() else repr(c)[1:-1] for c in row) for row in rows)
