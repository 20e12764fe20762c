// The documentation: draws /openapi.json.

function el(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter(Boolean));
  return element;
}

function address(path, operation) {
  if (path.includes("{")) return el("code", "", `GET ${path}`);
  const link = el("a", "", `GET ${path}`);
  link.href = path;
  return el("code", "", link);
}

function limits(schema) {
  const said = [
    "minimum" in schema ? `from ${schema.minimum}` : null,
    "maximum" in schema ? `to ${schema.maximum}` : null,
    "default" in schema ? `default ${schema.default}` : null,
  ].filter(Boolean);
  return said.length ? ` (${said.join(", ")})` : "";
}

function draw(path, operation) {
  const block = el("section", "operation", el("h2", "", address(path, operation), el("span", "", operation.summary)));
  if (operation.description) block.append(el("p", "", operation.description.replace(/\s*\n\s*/g, " ")));
  if (operation.parameters?.length) {
    const list = el("dl", "");
    for (const p of operation.parameters) {
      list.append(el("dt", "", p.name), el("dd", "", `${p.in}${p.required ? ", required" : ""}. ${p.description ?? ""}${limits(p.schema ?? {})}`));
    }
    block.append(list);
  }
  const answers = el("dl", "");
  for (const [status, answer] of Object.entries(operation.responses)) answers.append(el("dt", "", status), el("dd", "", answer.description));
  block.append(answers);
  const schema = operation.responses["200"]?.content?.["application/json"]?.schema;
  if (schema && Object.keys(schema).length) {
    block.append(el("details", "", el("summary", "", "Schema of the answer"), el("pre", "", JSON.stringify(schema, null, 2))));
  }
  return block;
}

const list = document.getElementById("operations");
try {
  const openapi = await (await fetch("/openapi.json")).json();
  document.getElementById("about").prepend(`${openapi.info.description} `);
  for (const [path, { get }] of Object.entries(openapi.paths)) list.append(draw(path, get));
} catch (error) {
  list.append(el("p", "lost", `The description could not be read (${error.message}). Load the page again, or see /openapi.json.`));
}
list.removeAttribute("aria-busy");
