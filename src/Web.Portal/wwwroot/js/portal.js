// Small comforts; every page reads and every form works without them.
(() => {
  // A form is sent once: its buttons rest until the answer is there. The server refuses a second sending as well.
  document.addEventListener('submit', (e) => {
    if (e.defaultPrevented || e.target.method === 'get') return;
    setTimeout(() => e.target.querySelectorAll('button[type="submit"], button:not([type])').forEach((b) => { b.disabled = true; }));
  });
  // The back button may bring a page as it was left.
  addEventListener('pageshow', () => document.querySelectorAll('button[disabled]').forEach((b) => { b.disabled = false; }));

  // Copy buttons: data-copy holds the text's element.
  document.addEventListener('click', async (e) => {
    const button = e.target.closest('[data-copy]');
    if (!button) return;
    const source = document.querySelector(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = 'Press Ctrl+C';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });

  // Times in the reader's own zone; the server wrote them in UTC.
  const local = (root) => root.querySelectorAll('time[datetime]:not([data-zone])').forEach((t) => {
    const at = new Date(t.getAttribute('datetime'));
    if (Number.isNaN(at.getTime())) return;
    t.title = t.textContent.trim();
    t.textContent = at.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: t.hasAttribute('data-seconds') ? 'medium' : 'short' });
  });
  addEventListener('DOMContentLoaded', () => {
    local(document);
    document.querySelectorAll('[data-time-zone]').forEach((select) => {
      if (select.dataset.timeZone === 'guess') select.value = Intl.DateTimeFormat().resolvedOptions().timeZone || select.value;
    });
    document.querySelectorAll('select[data-go], input[data-go]').forEach((el) => el.addEventListener('change', () => el.form.requestSubmit()));
  });
  document.addEventListener('htmx:afterSwap', (e) => local(e.target));
})();
