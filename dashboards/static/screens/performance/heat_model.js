// What a heat map shows, from the answer of /api/v1/heatmap: shares of the largest value, and cells as people read them. Pure.

const known = (value) => value !== null && value !== undefined;

/** The largest value of all rows; 0 when nothing is known. */
export const largestOf = (items) => items.reduce((most, { values }) => values.reduce((max, value) => (known(value) && value > max ? value : max), most), 0);

/** Each row as cells {at, share, value}: `share` 0 to 1 of the largest, null where nothing is known. */
export function rowsOf({ items, time }) {
  const most = largestOf(items);
  return items.map(({ entity, name, values }) => ({
    entity,
    name,
    cells: values.map((value, i) => ({ at: time[i], value, share: known(value) ? (most > 0 ? Math.max(0, value) / most : 0) : null })),
  }));
}

/** In five steps, so that equal things look equal: 0 to 4, null for a gap. */
export const stepOf = (share) => (share === null ? null : Math.min(4, Math.floor(share * 5)));
