// The documentation: draws /openapi.json.

function el(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter(Boolean));
  return element;
}

function address(path, method) {
  const asked = `${method.toUpperCase()} ${path}`;
  if (method !== "get" || path.includes("{")) return el("code", "", asked);
  const link = el("a", "", asked);
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

function schemaOf(what, content) {
  const schema = content?.["application/json"]?.schema;
  if (!schema || !Object.keys(schema).length) return null;
  return el("details", "", el("summary", "", what), el("pre", "", JSON.stringify(schema, null, 2)));
}

function draw(path, method, operation) {
  const block = el("section", "operation", el("h2", "", address(path, method), el("span", "", operation.summary)));
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
  for (const schema of [
    schemaOf("Schema of the request", operation.requestBody?.content),
    schemaOf("Schema of the answer", operation.responses["200"]?.content),
  ]) if (schema) block.append(schema);
  return block;
}

const list = document.getElementById("operations");
try {
  const openapi = await (await fetch("/openapi.json")).json();
  document.getElementById("about").prepend(`${openapi.info.description} `);
  for (const [path, operations] of Object.entries(openapi.paths)) {
    for (const [method, operation] of Object.entries(operations)) list.append(draw(path, method, operation));
  }
} catch (error) {
  list.append(el("p", "lost", `The description could not be read (${error.message}). Load the page again, or see /openapi.json.`));
}
list.removeAttribute("aria-busy");
