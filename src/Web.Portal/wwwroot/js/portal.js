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
    // In a narrow column a day of this year stands without it; all of it is in the title.
    t.textContent = t.closest('[data-times=short]') && at.getFullYear() === new Date().getFullYear() ? at.toLocaleString(undefined, { day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit' })
      : at.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: t.hasAttribute('data-seconds') ? 'medium' : 'short' });
  });
  addEventListener('DOMContentLoaded', () => {
    local(document);
    document.querySelectorAll('[data-time-zone]').forEach((select) => {
      if (select.dataset.timeZone === 'guess') select.value = Intl.DateTimeFormat().resolvedOptions().timeZone || select.value;
    });
    document.querySelectorAll('select[data-go], input[data-go]').forEach((el) => el.addEventListener('change', () => el.form.requestSubmit()));
  });
  document.addEventListener('htmx:afterSwap', (e) => local(e.target));

  // The palette: Ctrl-K or the link opens it over any page; without this script the link leads to /search. Its list comes from there as well.
  const palette = document.getElementById('palette');
  if (palette?.showModal) {
    const field = palette.querySelector('[role=combobox]'), list = palette.querySelector('[role=listbox]'), count = palette.querySelector('[role=status]');
    const options = () => [...list.querySelectorAll('[role=option]:not([aria-disabled])')];
    const choose = (option) => {
      options().forEach((o) => o.setAttribute('aria-selected', String(o === option)));
      option ? field.setAttribute('aria-activedescendant', option.id) : field.removeAttribute('aria-activedescendant');
      option?.scrollIntoView({ block: 'nearest' });
    };
    let loading;
    const ready = () => window.htmx ? Promise.resolve() : loading ??= new Promise((done) => {
      const script = document.createElement('script');
      script.src = palette.dataset.htmx;
      script.onload = done;
      document.head.append(script);
    }).then(() => window.htmx.process(palette));
    const open = async () => {
      if (palette.open) return;
      palette.showModal();
      field.select();
      await ready();
      window.htmx.trigger(field, 'open');
    };
    document.addEventListener('keydown', (e) => {
      if (e.key.toLowerCase() !== 'k' || !(e.ctrlKey || e.metaKey) || e.altKey || e.shiftKey) return;
      e.preventDefault();
      palette.open ? palette.close() : open();
    });
    document.addEventListener('click', (e) => {
      if (e.target === palette) palette.close(); // beside it
      if (!e.target.closest('[data-palette]') || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
      e.preventDefault();
      open();
    });
    field.addEventListener('keydown', (e) => {
      const all = options(), at = all.findIndex((o) => o.getAttribute('aria-selected') === 'true');
      if (e.key === 'ArrowDown') choose(all[(at + 1) % all.length]);
      else if (e.key === 'ArrowUp') choose(all[(at <= 0 ? all.length : at) - 1]);
      else if (e.key === 'Enter' && at >= 0) location.href = all[at].href;
      else if (e.key === 'Escape') palette.close(); // a search field would empty itself first
      else return;
      e.preventDefault();
    });
    list.addEventListener('htmx:afterSettle', () => {
      const all = options();
      choose(all[0]);
      count.textContent = all.length === 1 ? 'One result' : `${all.length} results`;
    });
  }
})();
