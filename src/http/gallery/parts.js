// Parts of pages that the gallery and the upload page share: elements, lines to copy, problems.
//
// Names and messages come from strangers, so every one of them reaches the page as text, never as markup.

/** An element with properties set and children appended; strings become text nodes, null is left out. */
export function el(tag, props, ...children) {
  const { data, ...rest } = props ?? {};
  const node = Object.assign(document.createElement(tag), rest);
  Object.assign(node.dataset, data);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A line to copy: an address or a command. */
export function copyRow(name, value, what = `${name} address`) {
  const field = el('input', { type: 'text', readOnly: true, value, ariaLabel: what, onfocus: () => field.select() });
  const button = el('button', { type: 'button', className: 'quiet', ariaLabel: `Copy ${what}` }, 'Copy');
  button.onclick = async () => {
    const done = await copy(field);
    button.textContent = done ? 'Copied' : 'Press Ctrl+C';
    setTimeout(() => { button.textContent = 'Copy'; }, 1800);
  };
  return el('li', null, name ? el('span', null, name) : null, field, button);
}

async function copy(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    // Plain http away from localhost has no clipboard API; the old command works there.
    field.select();
    return document.execCommand('copy');
  }
}

/** A problem in words, with the command that fixes it and the server's own message, collapsed. */
export function problemOf({ words, command, detail }) {
  return [
    el('p', null, words),
    command ? el('ul', { className: 'addresses command' }, copyRow(null, command, 'the command')) : null,
    detail && detail !== words ? el('details', null, el('summary', null, 'In the server’s words'), el('p', null, detail)) : null,
  ].filter(Boolean);
}
