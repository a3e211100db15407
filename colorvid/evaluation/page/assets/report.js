"use strict";
// Draws the page from its data. Parts: tables, pictures, charts. Without data a part stays hidden.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  /** A new element with text in it and properties set. */
  function make(tag, text = "", properties = {}) {
    const element = Object.assign(document.createElement(tag), properties);
    element.textContent = text;
    return element;
  }

  /** Fill a drop-down list; its label goes where there is nothing to choose. */
  function fill(select, names, chosen = 0) {
    select.replaceChildren(...names.map((name, i) => make("option", name, { value: String(i) })));
    select.value = String(chosen);
    if (select.closest("label").classList.contains("clip")) {
      select.closest("label").hidden = names.length < 2;
    }
  }

  const color = (codec) => `--c${data.codecs.indexOf(codec) % 8}`;
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // ---- tables --------------------------------------------------------------------------------

  /** A table that scrolls inside its own box, with its title above and its notes below. */
  function table(content) {
    const box = make("div", "", { className: "scroll", tabIndex: 0 });
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", content.title);
    const body = make("table");
    const head = body.createTHead().insertRow();
    const numeric = content.columns.map((_, i) =>
      content.rows.every((row) => /^[-+]?[\d.]*(e[-+]\d+)?( % \([\d.]+\))?$/.test(row[i])));
    content.columns.forEach((name, i) => {
      head.append(make("th", name, { scope: "col", className: numeric[i] ? "number" : "" }));
    });
    const rows = body.createTBody();
    for (const row of content.rows) {
      const line = rows.insertRow();
      row.forEach((cell, i) => {
        const kind = i === 0 ? { scope: "row" } : { className: numeric[i] ? "number" : "" };
        line.append(make(i === 0 ? "th" : "td", cell, kind));
      });
    }
    box.append(body);
    const notes = content.notes.map((note) => make("p", note, { className: "hint" }));
    return [make("h3", content.title), box, ...notes];
  }

  function showTables() {
    at("lead").append(...data.lead.map((line) => make("p", line)));
    at("tables").hidden = data.tables.length === 0;
    at("tables").querySelector(".tables").append(...data.tables.flatMap(table));
    if (data.points) at("curves").querySelector(".tables").append(...table(data.points));
    at("how").hidden = data.notes.length + data.settings.length === 0;
    at("notes").append(...data.notes.map((line) => make("li", line)));
    for (const [name, text] of data.settings) at("settings").append(make("dt", name), make("dd", text));
  }

  // ---- pictures ------------------------------------------------------------------------------

  const clips = data.clips.filter((clip) => clip.pictures);
  const MOST_ZOOM = 32;
  const view = { clip: 0, frame: 0, split: 0.5, scale: 1, x: 0, y: 0 };
  let layers = []; // what is drawn: {source, box, turn}

  /** All that can be shown of a clip: the original, then picture and map of each codec. */
  function sourcesOf({ pictures, series }) {
    const sources = [{ name: "original", images: pictures.originals, captions: [], label: "", isMap: false }];
    for (const { codec, captions, pictures: decoded, maps } of pictures.decoded) {
      const { label } = series.find((one) => one.codec === codec);
      sources.push({ name: codec, images: decoded, captions, label, isMap: false });
      sources.push({ name: `dE00 of ${codec}`, images: maps, captions, label, isMap: true });
    }
    return sources;
  }

  function chooseClip() {
    view.clip = Number(at("picture-clip").value);
    const { pictures } = clips[view.clip];
    const names = sourcesOf(clips[view.clip]).map((source) => source.name);
    const kept = [at("left"), at("right")].map((select) => names.indexOf(select.selectedOptions[0]?.text));
    fill(at("left"), names, Math.max(kept[0], 0));
    fill(at("right"), names, kept[1] < 0 ? 1 : kept[1]);
    view.frame = clamp(view.frame, 0, pictures.frames.length - 1);
    at("frame").max = String(pictures.frames.length - 1);
    for (const id of ["previous", "next"]) at(id).hidden = pictures.frames.length === 1;
    at("frame").hidden = pictures.frames.length === 1;
    layOut();
  }

  /** Build the panes: one with two layers, or one for each picture. */
  function layOut() {
    const { pictures } = clips[view.clip];
    const [, , width, height] = pictures.window;
    const sources = sourcesOf(clips[view.clip]);
    const beside = at("beside").checked;
    const shown = beside
      ? sources.filter((source) => !source.isMap)
      : [sources[at("left").value], sources[at("right").value]];
    at("stage").classList.toggle("beside", beside);
    at("divider").hidden = beside;
    at("captions").hidden = beside;
    for (const select of [at("left"), at("right")]) select.disabled = beside;
    const columns = beside ? Math.min(shown.length, 2) : 1;
    at("stage").style.setProperty("--columns", columns);
    const widest = columns * Math.max(width, 720);
    const most = `min(${widest}px, ${(85 * columns * width) / height}vh)`;
    at("pictures").style.setProperty("--most", most);
    const boxes = shown.map(() => make("div", "", { className: "layer" }));
    layers = shown.map((source, i) => ({ source, box: boxes[i], turn: 0 }));
    at("panes").replaceChildren(...(beside ? boxes.map((box) => pane([box])) : [pane([boxes[1], boxes[0]])]));
    boxes[0].classList.toggle("first", !beside);

    function pane(inside) {
      const figure = make("figure");
      const area = make("div", "", { className: "pane" });
      area.style.aspectRatio = `${width} / ${height}`;
      area.append(...inside);
      figure.append(area);
      if (beside) figure.append(make("figcaption"));
      return figure;
    }
    const map = shown.some((source) => source.isMap);
    at("heat").hidden = !map;
    showFrame();
    move({});
  }

  /** Put the pictures of the frame into the layers, each when it is decoded. */
  function showFrame() {
    const { frames } = clips[view.clip].pictures;
    for (const layer of layers) {
      const image = make("img", "", { alt: `${layer.source.name}, frame ${frames[view.frame]}` });
      const turn = ++layer.turn;
      image.draggable = false;
      image.src = layer.source.images[view.frame];
      image.decode().then(() => {
        if (turn === layer.turn) layer.box.replaceChildren(image);
      });
    }
    const places = at("beside").checked
      ? [...at("panes").querySelectorAll("figcaption")]
      : layers.map(() => make("div"));
    layers.forEach(({ source }, i) => {
      const lines = [source.captions[view.frame] ?? "", source.label].map((text) => make("div", text));
      places[i].replaceChildren(make("b", source.name), ...lines);
    });
    if (!at("beside").checked) at("captions").replaceChildren(...places);
    at("frame").value = String(view.frame);
    at("frame").setAttribute("aria-valuetext", `frame ${frames[view.frame]}`);
    at("frame-name").textContent = `Frame ${frames[view.frame]}`;
    at("previous").disabled = view.frame === 0;
    at("next").disabled = view.frame === frames.length - 1;
  }

  function step(by) {
    const last = clips[view.clip].pictures.frames.length - 1;
    view.frame = clamp(view.frame + by, 0, last);
    showFrame();
  }

  /** Move, zoom or split all panes; places are shares of a pane. */
  function move(change) {
    Object.assign(view, change);
    view.scale = clamp(view.scale, 1, MOST_ZOOM);
    view.split = clamp(view.split, 0, 1);
    view.x = clamp(view.x, 1 - view.scale, 0);
    view.y = clamp(view.y, 1 - view.scale, 0);
    const stage = at("stage");
    const set = { "--x": view.x, "--y": view.y, "--scale": view.scale, "--split": `${view.split * 100}%` };
    for (const [name, value] of Object.entries(set)) stage.style.setProperty(name, value);
    const zoomed = view.scale > 1;
    stage.classList.toggle("zoomed", zoomed);
    const first = stage.querySelector(".pane");
    const size = (first.clientWidth * view.scale) / clips[view.clip].pictures.window[2];
    stage.classList.toggle("sharp", size >= 2);
    at("zoom").textContent = `${Math.round(size * 100)} %`;
    at("out").disabled = at("fit").disabled = !zoomed;
    at("in").disabled = view.scale >= MOST_ZOOM;
    const percent = String(Math.round(view.split * 100));
    at("divider").setAttribute("aria-valuenow", percent);
    at("divider").setAttribute("aria-valuetext", `${percent} % left`);
  }

  /** Zoom by a factor; what lies at a place (shares of a pane) stays there. */
  function zoom(by, x = 0.5, y = 0.5) {
    const scale = clamp(view.scale * by, 1, MOST_ZOOM);
    const real = scale / view.scale;
    move({ scale, x: x - (x - view.x) * real, y: y - (y - view.y) * real });
  }

  /** Dragging and pinching with mouse, pen and fingers. */
  function usePointers() {
    const stage = at("stage");
    const down = new Map();
    let target = null; // the pane, or the divider
    const place = (event, box) => [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    const boxOf = () => (target.id === "divider" ? stage.querySelector(".pane") : target).getBoundingClientRect();

    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      target = event.target.closest("#divider, .pane");
      if (!target) return;
      down.set(event.pointerId, place(event, boxOf()));
      stage.setPointerCapture(event.pointerId);
      (target.id === "divider" ? target : stage).focus({ preventScroll: true });
      if (splits()) move({ split: place(event, boxOf())[0] });
    });
    stage.addEventListener("pointermove", (event) => {
      const before = down.get(event.pointerId);
      if (!before) return;
      const now = place(event, boxOf());
      const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
      down.set(event.pointerId, now);
      if (other) pinch(before, now, other);
      else if (splits()) move({ split: now[0] });
      else if (view.scale > 1) move({ x: view.x + now[0] - before[0], y: view.y + now[1] - before[1] });
    });
    for (const name of ["pointerup", "pointercancel"]) {
      stage.addEventListener(name, (event) => down.delete(event.pointerId));
    }

    function splits() {
      return target.id === "divider" || (view.scale === 1 && !at("beside").checked);
    }
    function pinch(before, now, other) {
      const far = (one) => Math.hypot(one[0] - other[0], one[1] - other[1]);
      zoom(far(now) / Math.max(far(before), 0.01), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    }

    stage.addEventListener("wheel", (event) => {
      const area = event.target.closest(".pane") ?? stage.querySelector(".pane");
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 200), ...place(event, area.getBoundingClientRect()));
    }, { passive: false });
    stage.addEventListener("dblclick", (event) => {
      // Not the target: that is the stage, which has the pointer; and the divider may lie above.
      const area = document.elementsFromPoint(event.clientX, event.clientY).find((one) => one.matches(".pane"));
      if (area) zoom(view.scale > 1 ? 1 / view.scale : 4, ...place(event, area.getBoundingClientRect()));
    });
  }

  const STAGE_KEYS = {
    ",": () => step(-1),
    ".": () => step(1),
    "+": () => zoom(1.5),
    "=": () => zoom(1.5),
    "-": () => zoom(1 / 1.5),
    0: () => move({ scale: 1 }),
    ArrowLeft: () => move({ x: view.x + 0.1 }),
    ArrowRight: () => move({ x: view.x - 0.1 }),
    ArrowUp: () => move({ y: view.y + 0.1 }),
    ArrowDown: () => move({ y: view.y - 0.1 }),
  };
  const DIVIDER_KEYS = {
    ArrowLeft: () => view.split - 0.02,
    ArrowDown: () => view.split - 0.02,
    ArrowRight: () => view.split + 0.02,
    ArrowUp: () => view.split + 0.02,
    PageDown: () => view.split - 0.2,
    PageUp: () => view.split + 0.2,
    Home: () => 0,
    End: () => 1,
  };

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const split = event.target.id === "divider" ? DIVIDER_KEYS[event.key] : undefined;
    if (!split && !(event.key in STAGE_KEYS)) return;
    if (!split && event.key.startsWith("Arrow") && view.scale === 1) return; // the page scrolls
    event.preventDefault();
    if (split) move({ split: split() });
    else STAGE_KEYS[event.key]();
  }

  function showPictures() {
    if (clips.length === 0) return;
    at("pictures").hidden = false;
    at("keys").textContent =
      "Drag to move the divider, or, when zoomed, the picture. Keys: , and . for frames, + - 0 for zoom, " +
      "arrows for divider and picture. Ctrl and wheel, pinch and double click zoom.";
    at("heat").querySelector("i").style.background = `linear-gradient(to right, ${data.heat.colors.join(", ")})`;
    at("heat").lastElementChild.textContent = `${data.heat.most} and more`;
    fill(at("picture-clip"), clips.map((clip) => clip.name));
    at("picture-clip").addEventListener("change", chooseClip);
    for (const id of ["left", "right", "beside"]) at(id).addEventListener("change", layOut);
    at("frame").addEventListener("input", () => step(Number(at("frame").value) - view.frame));
    at("previous").addEventListener("click", () => step(-1));
    at("next").addEventListener("click", () => step(1));
    at("in").addEventListener("click", () => zoom(1.5));
    at("out").addEventListener("click", () => zoom(1 / 1.5));
    at("fit").addEventListener("click", () => move({ scale: 1 }));
    at("stage").addEventListener("keydown", onKey);
    usePointers();
    chooseClip();
    new ResizeObserver(() => move({})).observe(at("stage"));
  }

  // ---- charts --------------------------------------------------------------------------------

  const DASHES = [[], [8, 4], [2, 3], [8, 3, 2, 3]];
  const moving = data.clips.filter((clip) => clip.series[0].rows.length > 1);
  const charts = new Map(); // what is drawn, by its place

  /** Draw lines into a place: {xs, lines: [{codec, label, values, value}], x, y, gaps}. */
  function draw(place, { xs, lines, x, y, gaps }) {
    charts.get(place)?.destroy();
    const axis = (label, size) => ({
      label, size, labelSize: 20, font: "12px system-ui", labelFont: "12px system-ui",
      stroke: () => css("--ink"), grid: { stroke: () => css("--line"), width: 1 },
      ticks: { stroke: () => css("--line"), width: 1 },
    });
    const series = lines.map((line) => ({
      label: line.label, value: (_, value, __, i) => (value == null ? "-" : line.value(value, i)),
      stroke: () => css(color(line.codec)), width: 2, spanGaps: !gaps,
      dash: DASHES[data.codecs.indexOf(line.codec) % DASHES.length],
      points: { show: xs.length < 60, size: 6, fill: () => css(color(line.codec)) },
    }));
    const chart = new uPlot({
      width: place.clientWidth, height: 320,
      scales: { x: { time: false } },
      axes: [
        { ...axis(x.label, 36), ...(x.whole ? { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4] } : {}) },
        { ...axis(y, 60), values: (_, ticks) => ticks.map((tick) => tick.toLocaleString("en")) },
      ],
      series: [{ label: x.name, value: (_, value) => (value == null ? "-" : x.value(value)) }, ...series],
      cursor: { dataIdx: (u, i, index) => (i === 0 || gaps ? index : nearest(u.data[i], index)) },
    }, [xs, ...lines.map((line) => line.values)], place);
    place.setAttribute("aria-label", `Chart of ${y}; left and right move the cursor`);
    charts.set(place, chart);
  }

  /** The place nearest to another one that has a value. */
  function nearest(values, from) {
    for (let far = 0; far < values.length; far++) {
      if (values[from - far] != null) return from - far;
      if (values[from + far] != null) return from + far;
    }
    return from;
  }

  /** Left and right move the cursor of a chart. */
  function useKeys(place) {
    place.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const chart = charts.get(place);
      if (!by || !chart) return;
      event.preventDefault();
      const xs = chart.data[0];
      const index = clamp((chart.cursor.idx ?? (by > 0 ? -1 : xs.length)) + by, 0, xs.length - 1);
      chart.setCursor({ left: chart.valToPos(xs[index], "x"), top: chart.over.clientHeight / 2 });
    });
  }

  const named = (column) => data.metrics[column];
  const asText = (value) => value.toLocaleString("en", { maximumFractionDigits: 4 });

  /** The columns of a drop-down list of figures; a column stays chosen where it is there. */
  function fillFigures(select, columns, usual) {
    const before = select.columns?.[select.value] ?? usual;
    select.columns = columns;
    fill(select, columns.map(named), Math.max(columns.indexOf(before), 0));
  }

  function drawCurves() {
    const { curves } = data.curves[at("curve-clip").value];
    const column = at("curve-figure").columns[at("curve-figure").value];
    const points = curves.flatMap((curve) => curve.points);
    const xs = [...new Set(points.map((point) => point.rate_bpp))].sort((a, b) => a - b);
    const lines = curves.map((curve) => {
      const at = new Map(curve.points.map((point) => [point.rate_bpp, point]));
      return {
        codec: curve.codec, label: curve.codec,
        values: xs.map((rate) => at.get(rate)?.figures[column] ?? null),
        value: (value, i) => `${asText(value)} at ${asText(xs[i])} (quality ${at.get(xs[i]).quality})`,
      };
    });
    const x = { label: "bits per pixel", name: "bits per pixel", value: asText };
    draw(at("curve-chart"), { xs, lines, x, y: named(column), gaps: false });
  }

  function drawFrames() {
    const { series } = moving[at("frame-clip").value];
    const column = at("frame-figure").columns[at("frame-figure").value];
    const xs = series[0].rows.map((_, i) => i * series[0].step);
    const lines = series.map((one) => {
      const place = one.columns.indexOf(column);
      return {
        codec: one.codec, label: one.codec,
        values: one.rows.map((row) => (place < 0 ? null : row[place])),
        value: (value, i) => asText(value) + (one.types[i] ? ` (${one.types[i]})` : ""),
      };
    });
    const x = { label: "frame", name: "frame", value: String, whole: true };
    draw(at("frame-chart"), { xs, lines, x, y: named(column), gaps: true });
    at("series").replaceChildren(...series.map((one) => make("li", `${one.codec}: ${one.label}` +
      (one.step > 1 ? `; every frame whose number can be divided by ${one.step}` : ""))));
  }

  function chooseCurves() {
    const [first] = data.curves[at("curve-clip").value].curves;
    fillFigures(at("curve-figure"), Object.keys(first.points[0].figures), "psnr_yuv611_db");
    drawCurves();
  }

  function chooseFrames() {
    const columns = moving[at("frame-clip").value].series.flatMap((one) => one.columns);
    fillFigures(at("frame-figure"), [...new Set(columns)], "psnr_yuv611_db");
    drawFrames();
  }

  function showCharts() {
    const parts = [
      ["curves", data.curves, "curve-clip", chooseCurves, "curve-figure", drawCurves],
      ["frames", moving, "frame-clip", chooseFrames, "frame-figure", drawFrames],
    ];
    for (const [id, content, clip, choose, figure, redraw] of parts) {
      if (content.length === 0) continue;
      at(id).hidden = false;
      fill(at(clip), content.map((one) => one.name));
      at(clip).addEventListener("change", choose);
      at(figure).addEventListener("change", redraw);
      const place = at(id).querySelector(".chart");
      useKeys(place);
      choose();
      new ResizeObserver(() => {
        const chart = charts.get(place);
        if (chart.width !== place.clientWidth) chart.setSize({ width: place.clientWidth, height: chart.height });
      }).observe(place);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    }
  }

  showTables();
  showPictures();
  showCharts();
})();
