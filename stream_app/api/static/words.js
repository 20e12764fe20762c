// What the page says: each text in English and Chinese. {name} is replaced by what `t` is given.

import { ASPECTS } from "./aspects.js";

const LANGUAGES = ["en", "zh"];
const KEPT_AS = "stream-app-language";

const RULES = {
  negative_review: ["Bad review", "差评"], safety: ["Safety", "安全"],
  negative_spike: ["Turning bad", "差评激增"], rating_drop: ["Stars dropping", "星级下降"],
  safety_cluster: ["Hazards reported", "多起安全隐患"], recovered: ["Recovered", "已恢复"],
};

const WORDS = {
  page_title: ["Product reviews, live", "商品评价实时看板"], title: ["Product reviews", "商品评价"],
  skip: ["Skip to products", "跳到商品列表"], language: ["Language", "语言"],
  connecting: ["Connecting…", "正在连接…"], live: ["Live", "实时"], not_live: ["Not live", "未连接"],
  connection_lost: ["The connection is lost. What you see may be out of date; trying again…", "连接已断开。所见内容可能已过时,正在重试…"],
  store_away: ["The store of summaries cannot be reached. What you see may be out of date.", "无法访问汇总数据库。所见内容可能已过时。"],
  products: ["Products", "商品"], window: ["Time window", "时间范围"], all: ["All", "全部"],
  order: ["Order", "排序"], recent: ["Newest review first", "最新评价优先"], trend: ["Worst trend first", "趋势最差优先"],
  attention: ["Most negative first", "负面最多优先"], reviews_first: ["Most reviews first", "评价最多优先"], name: ["By product id", "按商品编号"],
  find: ["Find…", "查找…"], find_label: ["Find", "查找"], open_product: ["Open product “{id}”", "打开商品“{id}”"],
  negative: ["negative", "负面"], neutral: ["neutral", "中性"], positive: ["positive", "正面"], unknown: ["not read", "未识别"],
  in_24h: ["the last 24 hours", "最近 24 小时"], in_7d: ["the last 7 days", "最近 7 天"], in_30d: ["the last 30 days", "最近 30 天"], in_all: ["all time", "全部时间"],
  no_reviews_in: ["No reviews in {window}", "{window}没有评价"], no_reviews: ["no reviews", "没有评价"],
  review: ["1 review", "1 条评价"], reviews: ["{n} reviews", "{n} 条评价"], star: ["1 star", "1 星"], stars: ["{n} stars", "{n} 星"],
  of_stars: ["{mean} of 5 stars", "{mean} 星(满分 5 星)"], no_stars: ["no stars", "暂无星级"],
  no_text: ["No summary yet: it is written once there are enough reviews.", "暂无摘要:评价足够后才会生成。"],
  from_reviews: ["From {n} of {reviews}", "依据 {reviews}中的 {n} 条"], latest: ["latest ", "最新 "],
  abstractive: ["worded by a model", "由模型撰写"], extractive: ["in their own words", "评价原文"], own_text: ["in its own words", "评价原文"],
  getting_worse: ["Getting worse: {change}", "变差:{change}"], getting_better: ["Getting better: {change}", "变好:{change}"],
  share_change: ["{recent} negative in 7 days, {before} before", "7 天内负面 {recent},之前 {before}"],
  stars_change: ["{recent} stars in 7 days, {before} before", "7 天内 {recent} 星,之前 {before} 星"],
  too_few: ["Only {reviews}: too few to judge the product by", "只有{reviews}:不足以判断该商品"],
  chip_title: ["{reviews} in {window}", "{window}内{reviews}"],
  none_found: ["No product here matches “{find}”. The {n} most recently reviewed are shown.", "没有商品匹配“{find}”。此处显示最近有评价的 {n} 个商品。"],
  alerts: ["Recent alerts", "最近警报"], no_alerts: ["None. Bad reviews and products that turn bad appear here.", "暂无。差评和变差的商品会显示在这里。"],
  show_fewer: ["Show fewer", "收起"], show_all_alerts: ["Show all {n} alerts", "显示全部 {n} 条警报"],
  critical: ["Critical", "严重"], warning: ["Warning", "警告"], info: ["Notice", "提示"],
  sure: ["{n} % sure it is negative", "{n} % 判断为负面"],
  announce: ["{severity} alert for {id}: {words}", "{id} 的{severity}警报:{words}"],
  just_now: ["just now", "刚刚"], s_ago: ["{n} s ago", "{n} 秒前"], min_ago: ["{n} min ago", "{n} 分钟前"], h_ago: ["{n} h ago", "{n} 小时前"],
  day_ago: ["1 day ago", "1 天前"], days_ago: ["{n} days ago", "{n} 天前"],
  no_reviews_yet: ["No reviews yet", "还没有评价"],
  empty_words: ["This page shows each product as soon as its first review has been read. To get data in:", "每个商品的第一条评价处理后即会显示。导入数据:"],
  empty_demo: ["Try it with a sample stream", "用示例数据试用"],
  empty_publish: ["Publish reviews of your own (JSON lines or CSV)", "发布您自己的评价(JSON 行或 CSV)"],
  empty_workers: ["Published already? Run the workers, and see what is missing", "已经发布?运行各进程,并检查缺少什么"],
  footer: ["Headlines and texts are made by language models from the reviews they cite, and can be wrong. Sentiment is a model’s reading of each review; stars are what its writer gave. Times are those of the reviews.",
    "标题和文字由语言模型根据所引用的评价生成,可能有误。情感由模型判断;星级由评价者给出。时间为评价的时间。"],
  back: ["← All products", "← 全部商品"], as_json: ["As JSON", "JSON 数据"], card: ["Public card", "公开卡片"],
  not_known: ["No review of this product has been read.", "尚未处理该商品的任何评价。"],
  over_time: ["Reviews by day", "每日评价"], chart_label: ["Negative, neutral and positive reviews of each of the last {n} days", "最近 {n} 天每天的负面、中性与正面评价"],
  table: ["The same as a table", "表格形式"], date: ["Date", "日期"], all_reviews: ["Reviews", "评价"], mean_stars: ["Stars", "星级"],
  aspects: ["What they speak of", "评价话题"], aspects_hint: ["Share of the mentions that criticize. Choose one to read the sentences.", "提及中负面所占比例。选择一项查看原句。"],
  slice_stars: ["Stars", "星级"], all_stars: ["All", "全部"], low_stars: ["1 and 2", "1 至 2 星"], middle_stars: ["3", "3 星"], high_stars: ["4 and 5", "4 至 5 星"],
  slice_language: ["Language", "语言"], all_languages: ["All", "全部"], english: ["English", "英文"], chinese: ["Chinese", "中文"],
  slice_of: ["{n} of the newest {kept} reviews, whose sentences are kept.", "保留原句的最新 {kept} 条评价中的 {n} 条。"],
  slice_without_aspects: ["These reviews speak of no known aspect.", "这些评价没有提到已知话题。"],
  said_of: ["What reviews say of: {aspect}", "评价怎么说:{aspect}"], said_by: ["The reviews that say so", "这样说的评价"],
  newest_only: ["From the newest reviews whose sentences are kept.", "来自保留原句的最新评价。"],
  none_kept: ["None of the newest reviews says it any more.", "最新评价中已没有相关句子。"], close: ["Close", "关闭"],
  review_at_shop: ["Open at the shop", "在商店中打开"], loading: ["Loading…", "加载中…"], failed: ["It could not be loaded. Try again.", "无法加载,请重试。"],
  trends: ["Last 7 days against the 28 before", "最近 7 天与之前 28 天对比"], sentiment: ["Sentiment", "情感"],
  change_none: ["no change beyond chance", "无显著变化"], change_too_few: ["too few to say", "样本太少"], change_worse: ["worse", "变差"], change_better: ["better", "变好"],
  trend_row: ["{before} → {recent}", "{before} → {recent}"],
  praise: ["What they praise", "称赞"], complaints: ["What they complain of", "抱怨"], of_read: ["{n} of {read} read", "已读 {read} 条中的 {n} 条"],
  digest: ["In short", "概要"], generated: ["Written by a machine from customers' reviews.", "由机器根据顾客评价生成。"],
  alerts_of: ["Alerts", "警报"], no_alerts_of: ["None among the newest alerts.", "最近警报中没有。"],
  acknowledge: ["Acknowledge", "确认"], mute: ["Mute for 24 h", "静音 24 小时"], your_name: ["Your name", "您的姓名"], note: ["Note (optional)", "备注(可选)"],
  not_quoted: ["Not quoted any more: the review was edited or deleted.", "不再引用：该评价已被修改或删除。"],
  send: ["Save", "保存"], cancel: ["Cancel", "取消"], acknowledged: ["Acknowledged by {by}", "{by} 已确认"], muted: ["Muted by {by} until {until}", "{by} 已静音至 {until}"],
  not_saved: ["It was not saved: {why}", "未能保存:{why}"],
  window_against: ["{bad} of {reviews} in the window, {bad_before} of {before} before", "窗口内 {reviews} 条中 {bad} 条,之前 {before} 条中 {bad_before} 条"],
  operations: ["Operations", "运行状态"], throughput: ["Throughput", "吞吐量"], per_second: ["{n}/s", "{n}/秒"], lag: ["Lag", "积压"], records: ["{n} records", "{n} 条记录"],
  latency: ["Latency", "延迟"], rejects: ["Rejected, last hour", "近一小时拒收"], backlog: ["Texts waiting", "待写文本"], models: ["Models", "模型"], workers: ["Workers", "进程"],
  seconds: ["{n} s", "{n} 秒"], waits: ["{n}, oldest {s} s", "{n} 个,最久 {s} 秒"], none: ["none", "无"], needs_attention: ["Needs attention", "需要处理"],
};

const chosen = () => {
  let kept = null;
  try { kept = localStorage.getItem(KEPT_AS); } catch { /* a browser that keeps nothing */ }
  return LANGUAGES.includes(kept) ? kept : (navigator.languages ?? []).map((one) => one.slice(0, 2)).find((one) => LANGUAGES.includes(one)) ?? "en";
};

export const language = chosen();
const column = LANGUAGES.indexOf(language);
const format = new Intl.NumberFormat(language);

export const number = (n) => format.format(n);
export const percent = (share) => `${Math.round(share * 100)}\u00a0%`;

/** The text of this key; numbers are formatted. */
export function t(key, values = {}) {
  const text = WORDS[key]?.[column] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? number(values[name]) : values[name] ?? ""));
}

/** 1 review, 2 reviews. */
export const counted = (n, one = "review", many = `${one}s`) => (n === 1 ? t(one) : t(many, { n }));
export const ruleName = (rule) => (RULES[rule] ?? RULES.negative_review)[column];
export const aspectName = (id) => ASPECTS[id]?.[column] ?? id.replaceAll("_", " ");

/** Keep the language and show the page in it. */
export function choose(one) {
  try { localStorage.setItem(KEPT_AS, one); } catch { return; }
  location.reload();
}

/** Put the texts of the language into what the document has of them. */
export function translate(root = document) {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
  document.title = t("page_title");
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of root.querySelectorAll("[data-t-label]")) element.setAttribute("aria-label", t(element.dataset.tLabel));
  for (const element of root.querySelectorAll("[data-t-placeholder]")) element.placeholder = t(element.dataset.tPlaceholder);
}
