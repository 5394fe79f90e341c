// Hears zoom, lasso and click in a Plotly figure that Streamlit drew, and draws outlines over it.
const NS = 'http://www.w3.org/2000/svg';

// Ramer-Douglas-Peucker, with the tolerance raised until few enough corners are left.
function simplify(points, most) {
  if (points.length <= most) return points;
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const w = Math.max(...xs) - Math.min(...xs) || 1, h = Math.max(...ys) - Math.min(...ys) || 1;
  const far = (p, a, b) => {
    const ax = a[0] / w, ay = a[1] / h, dx = b[0] / w - ax, dy = b[1] / h - ay;
    const px = p[0] / w - ax, py = p[1] / h - ay, l = dx * dx + dy * dy;
    const t = l ? Math.max(0, Math.min(1, (px * dx + py * dy) / l)) : 0;
    return Math.hypot(px - t * dx, py - t * dy);
  };
  const reduce = (tolerance) => {
    const keep = new Array(points.length).fill(false), stack = [[0, points.length - 1]];
    keep[0] = keep[points.length - 1] = true;
    while (stack.length) {
      const [i, j] = stack.pop();
      let best = 0, at = -1;
      for (let k = i + 1; k < j; k += 1) {
        const d = far(points[k], points[i], points[j]);
        if (d > best) { best = d; at = k; }
      }
      if (best > tolerance) { keep[at] = true; stack.push([i, at], [at, j]); }
    }
    return points.filter((_, k) => keep[k]);
  };
  let tolerance = 0.001, out = reduce(tolerance);
  while (out.length > most) { tolerance *= 1.6; out = reduce(tolerance); }
  return out;
}

const short = (v) => Number(v.toPrecision(5));

export function listen(component) {
  const { data, setTriggerValue } = component;
  // One listener a figure: an earlier run's would answer with what it knew then.
  const running = (window.perturbscopeListeners ||= {});
  const own = data.plot + (data.shapesOn ? ':shapes' : ':zoom');
  if (running[own]) running[own]();
  let gd = null, wait = 0, overlay = null, home = null;
  const axes = (panel) => {
    const at = panel ? panel + 1 : '';
    return [gd._fullLayout['xaxis' + at], gd._fullLayout['yaxis' + at]];
  };
  // Outlines by view and panel: the server says which are alive, and need not send them back.
  const memory = (window.perturbscopeShapes ||= {});
  const shapes = (memory[data.token] ||= {});
  const alive = new Set(data.alive || []);
  const say = (name, value) => setTriggerValue(name, { ...value, token: data.token });

  const outlines = () => {
    if (!gd || !gd._fullLayout) return;
    const svg = gd.querySelector('.main-svg');
    if (!svg) return;
    overlay = gd.querySelector('.cell-outlines');
    if (!overlay) {
      overlay = document.createElementNS(NS, 'svg');
      overlay.setAttribute('class', 'cell-outlines');
      overlay.style.cssText = 'position:absolute;inset:0;pointer-events:none;z-index:5';
      svg.parentElement.appendChild(overlay);
    }
    overlay.setAttribute('width', svg.getAttribute('width'));
    overlay.setAttribute('height', svg.getAttribute('height'));
    overlay.replaceChildren();
    [...alive].filter((panel) => shapes[panel]).forEach((panel, k) => {
      const [x, y] = axes(panel);
      if (!x || !y) return;
      const clip = document.createElementNS(NS, 'clipPath');
      clip.id = `clip-${data.plot}-${k}`;
      const box = document.createElementNS(NS, 'rect');
      Object.entries({ x: x._offset, y: y._offset, width: x._length, height: y._length })
        .forEach(([name, v]) => box.setAttribute(name, v));
      clip.appendChild(box);
      const line = document.createElementNS(NS, 'polygon');
      line.setAttribute('points', shapes[panel].map((p) =>
        `${(x._offset + x.l2p(p[0])).toFixed(1)},${(y._offset + y.l2p(p[1])).toFixed(1)}`).join(' '));
      line.setAttribute('clip-path', `url(#${clip.id})`);
      line.setAttribute('style', `fill:${data.ink};fill-opacity:.05;stroke:${data.ink};` +
        'stroke-width:1.8;stroke-dasharray:5 3');
      overlay.append(clip, line);
    });
  };
  const drawn = (event) => {
    if (!event) return;
    const lasso = event.lassoPoints, box = event.range;
    const from = lasso || box;
    if (!from) return;
    const xs = Object.keys(from).find((name) => name.startsWith('x'));
    const ys = Object.keys(from).find((name) => name.startsWith('y'));
    const panel = Math.max(Number(xs.slice(1)) - 1, 0);
    let points;
    if (lasso) points = lasso[xs].map((x, i) => [x, lasso[ys][i]]);
    else {
      const [[x0, x1], [y0, y1]] = [box[xs], box[ys]];
      points = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
    }
    if (points.length < 3) return;
    points = simplify(points, data.corners).map((p) => p.map(short));
    shapes[panel] = points;
    alive.add(panel);
    outlines();
    say('shape', { panel, kind: lasso ? 'lasso' : 'box', points });
  };
  const zoomed = (event) => {
    outlines();
    if (!data.zoom || !Object.keys(event || {}).some((k) => /axis\d*\.(range|autorange)/.test(k))) return;
    clearTimeout(wait);
    wait = setTimeout(() => {
      const [x, y] = axes(0);
      const range = [...x.range, ...y.range].map((v) => Number(v.toPrecision(5)));
      const whole = data.home && range.every((v, i) =>
        Math.abs(v - data.home[i]) < 1e-3 * Math.max(1e-9, Math.abs(data.home[i < 2 ? 1 : 3] - data.home[i < 2 ? 0 : 2])));
      say('zoom', { range: whole ? null : range });
    }, 350);
  };
  const clicked = (event) => {
    const point = event && event.points && event.points[0];
    if (point && point.pointNumber !== undefined) {
      say('cell', { trace: point.curveNumber, point: point.pointNumber });
    }
  };
  const heard = data.shapesOn
    ? { plotly_selected: drawn, plotly_click: clicked, plotly_relayout: zoomed,
        plotly_relayouting: outlines, plotly_afterplot: outlines }
    : { plotly_relayout: zoomed };
  const drop = () => {
    if (gd && gd.removeListener) {
      Object.entries(heard).forEach(([name, f]) => gd.removeListener(name, f));
    }
    overlay = null;
  };
  const look = () => {
    const now = document.querySelector('.st-key-' + data.plot + ' .js-plotly-plot');
    if (now === gd && (!gd || gd.isConnected)) return;
    drop();
    gd = now && now.on && now._fullLayout ? now : null;
    if (!gd) return;
    Object.entries(heard).forEach(([name, f]) => gd.on(name, f));
    if (data.shapesOn) {
      // Its own outlines stay behind when a shape is cleared: ours are drawn instead.
      const style = document.createElement('style');
      style.textContent = '.selectionlayer path, .outline-controllers { display: none }';
      gd.appendChild(style);
      outlines();
    }
  };
  look();
  const timer = setInterval(look, 200);
  const stop = () => { clearInterval(timer); clearTimeout(wait); drop(); };
  running[own] = stop;
  return stop;
}
