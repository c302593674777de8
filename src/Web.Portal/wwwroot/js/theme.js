// Light or dark before the first paint: what was chosen, else what the system has. Loaded in the head on purpose.
(() => {
  const root = document.documentElement, system = matchMedia('(prefers-color-scheme: dark)');
  const chosen = () => { try { return localStorage.getItem('theme'); } catch { return null; } };
  const show = () => { root.dataset.bsTheme = chosen() ?? (system.matches ? 'dark' : 'light'); };
  show();
  system.addEventListener('change', show);
  addEventListener('storage', show);
  document.addEventListener('click', (e) => {
    const button = e.target.closest('[data-theme-choice]');
    if (!button) return;
    try { button.dataset.themeChoice === 'system' ? localStorage.removeItem('theme') : localStorage.setItem('theme', button.dataset.themeChoice); } catch { /* private mode: this page only */ }
    show();
    mark();
  });
  const mark = () => document.querySelectorAll('[data-theme-choice]').forEach((b) => b.setAttribute('aria-pressed', String((chosen() ?? 'system') === b.dataset.themeChoice)));
  addEventListener('DOMContentLoaded', mark);
})();
