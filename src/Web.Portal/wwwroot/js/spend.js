// Charts of spend. What is drawn stands in the page as JSON, and in a table beside it: without this script nothing is missing but the picture.
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const money = (usd) => {
    if (usd === 0) return '$0';
    const size = Math.abs(usd), sign = usd < 0 ? '\u2212' : '';
    const places = size >= 1 ? 2 : Math.min(9, 3 - Math.floor(Math.log10(size)));
    return sign + '$' + size.toLocaleString('en-US', { minimumFractionDigits: places, maximumFractionDigits: places });
  };
  const axis = (usd) => (usd === 0 ? '$0' : Math.abs(usd) >= 10000 ? '$' + (usd / 1000).toLocaleString('en-US') + ' k' : '$' + usd.toLocaleString('en-US', { maximumSignificantDigits: 3 }));
  const charts = new Map();

  // The name of a limit, on its line.
  const limitName = {
    id: 'limitName',
    afterDatasetsDraw(chart) {
      const { limit } = chart.$spend;
      if (!limit) return;
      const y = chart.scales.y.getPixelForValue(limit.usd);
      const { left, top, bottom } = chart.chartArea;
      if (y < top || y > bottom) return;
      const ctx = chart.ctx;
      ctx.save();
      ctx.font = '600 12px system-ui, sans-serif';
      ctx.fillStyle = css('--bad');
      ctx.textBaseline = y - 16 < top ? 'top' : 'bottom';
      ctx.fillText(limit.name, left + 6, y + (y - 16 < top ? 4 : -4));
      ctx.restore();
    },
  };

  const dataset = (s, data) => {
    const colour = css('--' + s.colour);
    const line = { label: s.name, data: s.values, borderColor: colour, backgroundColor: colour, pointRadius: 0, pointHoverRadius: 4, tension: 0, spanGaps: false };
    if (data.stacked) return { label: s.name, data: s.values, backgroundColor: colour, borderWidth: 0, stack: 'spend', maxBarThickness: 46 };
    if (s.role === 'low') return { ...line, borderWidth: 0, pointHoverRadius: 0 };
    if (s.role === 'high') return { ...line, borderWidth: 0, pointHoverRadius: 0, backgroundColor: colour + '2e', fill: '-1' };
    if (s.role === 'forecast') return { ...line, borderDash: [6, 5], borderWidth: 2 };
    return { ...line, borderWidth: 2.5, fill: 'origin', backgroundColor: colour + '1f' };
  };

  const draw = (figure) => {
    const data = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    const canvas = figure.querySelector('canvas');
    charts.get(canvas)?.destroy();
    const sets = data.series.map((s) => dataset(s, data));
    if (data.limit) sets.push({ type: 'line', label: data.limit.name, data: data.labels.map(() => data.limit.usd), borderColor: css('--bad'), borderWidth: 1.5, pointRadius: 0, pointHoverRadius: 0, order: -1, stack: 'limit' });
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const chart = new Chart(canvas, {
      type: data.stacked ? 'bar' : 'line',
      data: { labels: data.labels, datasets: sets },
      plugins: [limitName, { id: 'keep', beforeInit: (c) => { c.$spend = data; } }],
      options: {
        responsive: true, maintainAspectRatio: false, animation: still ? false : { duration: 150 },
        interaction: { mode: 'index', intersect: false },
        onClick: (e, _, c) => {
          const at = c.getElementsAtEventForMode(e, 'index', { intersect: false }, false)[0];
          const link = at && data.links[at.index];
          if (link) location.href = link;
        },
        onHover: (e, found) => { e.native.target.style.cursor = found[0] && data.links[found[0].index] ? 'pointer' : 'default'; },
        scales: {
          x: { stacked: data.stacked, grid: { display: false }, border: { color: css('--line') }, ticks: { color: css('--soft'), maxRotation: 0, autoSkipPadding: 16 } },
          y: { stacked: data.stacked, beginAtZero: true, border: { display: false }, grid: { color: css('--line') }, ticks: { color: css('--soft'), maxTicksLimit: 6, callback: axis } },
        },
        plugins: {
          legend: { display: false },
          tooltip: {
            backgroundColor: css('--ink'), titleColor: css('--sheet'), bodyColor: css('--sheet'), footerColor: css('--sheet'), padding: 10, boxPadding: 4, usePointStyle: false,
            filter: (i) => i.raw !== null && (!data.stacked || i.raw !== 0),
            itemSort: (a, b) => (data.stacked ? b.raw - a.raw : 0),
            callbacks: {
              label: (i) => ` ${i.dataset.label}: ${money(i.raw)}`,
              footer: (items) => (data.stacked && items.length > 1 ? 'All: ' + money(items.filter((i) => i.dataset.stack === 'spend').reduce((sum, i) => sum + i.raw, 0)) : ''),
            },
          },
        },
      },
    });
    charts.set(canvas, chart);
  };

  const all = () => document.querySelectorAll('figure.spend-chart').forEach(draw);
  addEventListener('DOMContentLoaded', all);
  new MutationObserver(all).observe(document.documentElement, { attributes: true, attributeFilter: ['data-bs-theme'] });
  document.addEventListener('htmx:afterSwap', (e) => e.target.querySelectorAll('figure.spend-chart').forEach(draw));
})();
