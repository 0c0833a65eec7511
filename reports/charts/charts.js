// Draws every chart of a page from the specification that stands beside it, filters the rows of a matrix, and shows the
// pages of a site in one file. Vega interprets expressions instead of compiling them, so that a page needs no permission
// to evaluate text.
const theme = JSON.parse(document.getElementById("chart-theme").textContent);
const options = {
  mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false,
  config: theme, tooltip: {disableDefaultStyle: true},
};

async function draw(holder) {
  const spec = JSON.parse(document.getElementById(holder.dataset.chart).textContent);
  try {
    const {view} = await vegaEmbed(holder, spec, options);
    holder.querySelector("svg").setAttribute("aria-hidden", "true");  // the holder's label says what is in it
    for (const control of holder.closest("figure").querySelectorAll("[data-parameter]")) {
      const isSlider = control.type === "range";
      const choose = () =>
        view.signal(control.dataset.parameter, isSlider ? control.valueAsNumber : control.value).runAsync();
      control.addEventListener(isSlider ? "input" : "change", choose);
      await choose();
    }
  } catch (error) {
    holder.textContent = "This chart could not be drawn; the query below gives its numbers.";
    console.error(holder.dataset.chart, error);
  }
}

// Says in words, to the eye and to screen readers, where a slider stands.
function tellPlace(slider) {
  const tell = () => {
    const place = slider.list.options[slider.valueAsNumber].label;
    slider.setAttribute("aria-valuetext", place);
    slider.parentElement.querySelector("output").value = place;
  };
  slider.addEventListener("input", tell);
  tell();
}

async function drawAll(within) {
  within.querySelectorAll("input[type=range][data-parameter]").forEach(tellPlace);
  for (const holder of within.querySelectorAll("[data-chart]:not([data-drawn])")) {
    holder.dataset.drawn = "";
    await draw(holder);
  }
  document.documentElement.dataset.charts = "drawn";
}

// Of a site in one file, the page that the address names; its charts can be drawn once it is shown.
async function showPage(pages) {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const shown = target?.closest("[data-page]") ?? pages[0];
  for (const page of pages) page.hidden = page !== shown;
  await drawAll(shown);
  (target ?? document.body).scrollIntoView();
}

// A row is shown while each chosen word is among those of its attribute of that name.
function filterRows(form) {
  const rows = [...document.querySelectorAll("tr[data-axis]")];
  const menus = [...form.querySelectorAll("select[data-filter]")];
  const apply = () => {
    for (const row of rows) {
      row.hidden = !menus.every(menu => !menu.value || row.dataset[menu.dataset.filter].split(" ").includes(menu.value));
    }
    for (const group of document.querySelectorAll(".matrix tbody")) {
      const own = [...group.querySelectorAll("tr[data-axis]")];
      group.hidden = own.length > 0 && own.every(row => row.hidden);
    }
    const shown = rows.filter(row => !row.hidden).length;
    form.querySelector("output").textContent = `${shown} of ${rows.length} claims`;
  };
  form.hidden = false;
  form.addEventListener("change", apply);
  apply();
}

document.querySelectorAll("form[data-filters]").forEach(filterRows);
const pages = document.querySelectorAll("[data-page]");
if (pages.length) {
  addEventListener("hashchange", () => showPage(pages));
  showPage(pages);
} else drawAll(document);
