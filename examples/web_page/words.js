// What the other scripts share: elements, and numbers in words.

export const element = (id) => document.getElementById(id);

// Only what has changed is touched, so that a video plays on and a selection stays. No text: not shown.
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = !text;
}

export function age(seconds) {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

export function size(bytes) {
  if (bytes < 2 ** 20) return `${Math.ceil(bytes / 2 ** 10)} KB`;
  return `${(bytes / 2 ** 20).toFixed(1).replace(".0", "")} MB`;
}

export function cost({ units, usd }) {
  const dollars = (amount) => amount.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 3 });
  const parts = [];
  if (units != null) parts.push(Number(units) === 1 ? "1 unit" : `${Number(units)} units`);
  if (usd != null && Number(units ?? 1) !== 0) parts.push(`$${dollars(Number(usd))}`);
  return parts.join(", about ");
}
