// Draws every chart of a page from the specification that stands beside it. Vega interprets expressions instead of
// compiling them, so that a page needs no permission to evaluate text.
const theme = JSON.parse(document.getElementById("chart-theme").textContent);
const options = {
  mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false,
  config: theme, tooltip: {disableDefaultStyle: true},
};

async function draw(holder) {
  const spec = JSON.parse(document.getElementById(holder.dataset.chart).textContent);
  try {
    const {view} = await vegaEmbed(holder, spec, options);
    const menu = holder.closest("figure").querySelector("select[data-parameter]");
    if (menu) {
      const choose = () => view.signal(menu.dataset.parameter, menu.value).runAsync();
      menu.addEventListener("change", choose);
      await choose();
    }
  } catch (error) {
    holder.textContent = "This chart could not be drawn; the query below gives its numbers.";
    console.error(holder.dataset.chart, error);
  }
}

async function drawAll() {
  for (const holder of document.querySelectorAll("[data-chart]")) await draw(holder);
  document.documentElement.dataset.charts = "drawn";
}

drawAll();
