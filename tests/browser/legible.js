// What a reader could not read in this page, as a list of sentences. Contrast as WCAG 2.2 reckons it, 1.4.3: at least 4.5.
(() => {
  const bad = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) bad.push(`wide: the page takes ${root.scrollWidth} of ${innerWidth} pixels`);
  const colour = (text) => {
    const numbers = (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
    const scaled = text.startsWith("color(") ? numbers.map((n, i) => (i < 3 ? n * 255 : n)) : numbers;
    return [...scaled.slice(0, 3), scaled.length > 3 ? scaled[3] : 1];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = (c) => {
    const part = c.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const contrast = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const canvas = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const style = getComputedStyle(e);
      layers.push(colour(e instanceof SVGGeometryElement && style.fill !== "none" ? style.fill : style.backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reduceRight((under, layer) => over(layer, under), canvas);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const [text, element] = [walker.currentNode.data.trim(), walker.currentNode.parentElement];
    if (!text || ["STYLE", "SCRIPT", "TITLE", "title", "style", "desc"].includes(element.tagName)) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const box = range.getBoundingClientRect();
    if (box.width === 0 || box.right < 0) continue;
    seen += 1;
    const style = getComputedStyle(element);
    const drawn = element instanceof SVGElement;
    const name = `"${text.slice(0, 40)}"`;
    if (box.height < (drawn ? 9 : 11)) bad.push(`small: ${name} is ${box.height.toFixed(1)} pixels high`);
    let ground = element;
    if (drawn) {
      element.scrollIntoView({ block: "center", inline: "center" });
      const at = element.getBoundingClientRect();
      const under = document.elementsFromPoint(at.x + at.width / 2, at.y + at.height / 2);
      ground = under.find((e) => !e.closest("text") && (!(e instanceof SVGGeometryElement) || getComputedStyle(e).fill !== "none"));
    }
    const ratio = contrast(over(colour(drawn ? style.fill : style.color), behind(ground)), behind(ground));
    if (ratio < 4.5) bad.push(`faint: ${name} has contrast ${ratio.toFixed(2)}`);
    if (!drawn && style.overflowX === "hidden" && element.scrollWidth > element.clientWidth + 1) bad.push(`cut: ${name}`);
  }
  scrollTo(0, 0);
  if (seen < 20) bad.push(`empty: ${seen} texts`);
  return bad;
})()
