#include "analysis/report_sections.h"

namespace ppq::html {

const char* const kStyle = R"(
:root{color-scheme:light dark;--page:#fff;--text:#1b2130;--soft:#5a6375;--line:#dde2ea;--panel:#f5f7fa;--link:#1f5fa8;
--good:#1a7f4b;--fine:#5d7f13;--noisy:#b45f06;--lost:#c0262d;--alone:#1b2130;--floats:#9fb8d9;--steps:#c2410c;--band:#1f5fa81a;--code:#eaeef5}
@media(prefers-color-scheme:dark){:root{--page:#12161d;--text:#e4e8ef;--soft:#9aa4b5;--line:#2c3442;--panel:#1a202a;--link:#7db4f0;
--good:#4cc38a;--fine:#a3c24a;--noisy:#f0a04b;--lost:#f2686d;--alone:#e4e8ef;--floats:#4a6690;--steps:#ff8a5c;--band:#7db4f01f;--code:#252d3a}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;margin:0 auto;max-width:1240px;padding:24px 24px 60px;
color:var(--text);background:var(--page);overflow-wrap:anywhere}
h1{font-size:26px;line-height:1.25;margin:0 0 8px}h1 small{font-weight:normal;color:var(--soft);font-size:20px}
h2{font-size:20px;margin:44px 0 10px;padding-top:10px;border-top:1px solid var(--line)}h3{font-size:15px;margin:18px 0 4px}
p{margin:6px 0}a{color:var(--link)}small,.note,figcaption,.legend,footer{color:var(--soft);font-size:13px}footer{margin-top:48px}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:14px}nav a{text-decoration:none}nav a:hover{text-decoration:underline}
.name{overflow-wrap:anywhere}code,pre{font:13px/1.5 ui-monospace,"SF Mono",Consolas,monospace;background:var(--code);border-radius:4px}
code{padding:2px 6px;unicode-bidi:isolate;user-select:all;-webkit-user-select:all;cursor:text;white-space:pre-wrap}
pre{padding:12px;white-space:pre-wrap;max-height:60vh;overflow-y:auto}
.good{color:var(--good)}.fine{color:var(--fine)}.noisy{color:var(--noisy)}.lost{color:var(--lost)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(186px,1fr));gap:12px;margin:20px 0 12px}
.card{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:12px 16px;min-width:0}
.card p{margin:0;font-size:13px;color:var(--soft)}.card b{display:block;font-size:24px;line-height:1.35;font-weight:600}
.warning{background:var(--panel);border:1px solid var(--line);border-left:4px solid var(--noisy);border-radius:6px;padding:10px 16px;margin:10px 0}
.code{display:inline-block;background:var(--noisy);color:var(--page);border-radius:4px;padding:0 8px;font-size:13px;font-weight:600}
ul{margin:6px 0;padding:0;list-style:none}.names,.figures{display:flex;flex-wrap:wrap;gap:6px}
.names li,.figures li{background:var(--code);border-radius:4px;padding:1px 8px;font-size:13px;min-width:0}
.remedy{font-size:13px;color:var(--soft)}.remedy code{color:var(--text)}
details{margin:8px 0}summary{cursor:pointer;color:var(--link)}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:5px 10px 5px 0;border-bottom:1px solid var(--line)}
th{font-weight:600;font-size:13px;color:var(--soft)}.facts th{width:170px}.facts td,.facts th{padding-top:3px;padding-bottom:3px}.try td:first-child{width:42%}
.grid{font-variant-numeric:tabular-nums;font-size:14px}.grid td,.grid th{white-space:nowrap}.grid td:first-child,.grid td:first-child+td{white-space:normal}
.passes svg,.passes table svg{width:300px}.passes>tbody>tr>th,.passes>tbody>tr>td{border-bottom:0}
.passes .below>td{white-space:normal;padding:0 0 8px 16px;border-bottom:1px solid var(--line);color:var(--soft)}.below p{margin:2px 0}
.grid .words{white-space:normal}.passes>tbody>tr>td:first-child,.others td:first-child{min-width:150px}
.part-row td:first-child{padding-left:24px}
.scroll{overflow:auto;max-height:85vh;border:1px solid var(--line);border-radius:6px}
.all{font-size:13px}.all th{position:sticky;top:0;background:var(--panel);padding-top:8px}
.all td,.all th{padding-left:8px;padding-right:8px}.all td:first-child{color:var(--soft);white-space:nowrap}.all td:nth-child(2){min-width:220px}
.all td:nth-child(3){white-space:normal;min-width:70px}
.noise i{display:block;height:4px;border-radius:2px;background:currentColor;min-width:1px;margin-bottom:2px}
figure{margin:0}svg{display:block;width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:var(--soft)}
.whole{fill:transparent}.column:hover .whole{fill:var(--band)}
.bar.good,.bar.fine,.bar.noisy,.bar.lost{fill:currentColor;opacity:.8}svg .grid{stroke:var(--line);stroke-width:1}
.axis{stroke:var(--soft);stroke-width:1}.alone{stroke:var(--alone);stroke-width:2;fill:none}.lead{stroke:var(--soft);stroke-width:.7}
circle.mark{fill:var(--link)}svg .number{fill:var(--page);font-size:11px;font-weight:600}
span.mark{display:inline-block;background:var(--link);color:var(--page);border-radius:10px;min-width:20px;padding:0 6px;text-align:center;font-size:13px;line-height:20px}
.key{display:inline-block;width:18px;height:10px;vertical-align:baseline;margin-left:6px}.key.bars{background:linear-gradient(90deg,var(--good) 25%,var(--fine) 25% 50%,var(--noisy) 50% 75%,var(--lost) 75%)}
.key.dash{height:2px;margin-bottom:4px;background:var(--alone)}.key.area{background:var(--floats)}.key.line{height:2px;margin-bottom:4px;background:var(--steps)}
.key.range{background:var(--band);border:solid var(--link);border-width:0 1px}.key.before,.key.after{width:10px;border-radius:5px;border:2px solid var(--soft)}
.key.after{background:var(--good);border-color:var(--good)}
.tensors{display:grid;grid-template-columns:repeat(auto-fit,minmax(520px,1fr));gap:16px}
article{border:1px solid var(--line);border-radius:8px;padding:12px 16px;min-width:0}article h3{margin:0}article:target{border-color:var(--link)}
dl{display:flex;flex-wrap:wrap;gap:4px 28px;margin:8px 0}dt{font-size:12px;color:var(--soft)}dd{margin:0;font-weight:600;font-variant-numeric:tabular-nums}
.band{fill:var(--band)}.edge{stroke:var(--link);stroke-width:1;stroke-dasharray:4 3}.floats{fill:var(--floats)}.steps{fill:none;stroke:var(--steps);stroke-width:1.3}
.way{stroke-width:3}.way.better,.after.better{stroke:var(--good)}.way.worse,.after.worse{stroke:var(--lost)}.after.better{fill:var(--good)}.after.worse{fill:var(--lost)}
.way.same,.after.same{stroke:var(--soft)}.after.same{fill:var(--soft)}
.before{fill:var(--page);stroke:var(--soft);stroke-width:2}
.parts{display:flex;width:100%;margin:10px 0;border-radius:6px;overflow:hidden}.part{flex-basis:0;min-width:0;padding:3px 0;color:#fff;font-size:12px;text-align:center;white-space:nowrap;overflow:hidden}
.p0{background:#4c78a8}.p1{background:#8a6d3b}.p2{background:#2f7f6f}.p3{background:#a0522d}.p4{background:#6b5b95}.p5{background:#5f6b7a}
@media(max-width:1000px){svg text{font-size:15px}svg .number{font-size:12px}article svg text{font-size:12px}.passes svg,.passes table svg{width:200px}
.passes svg text{font-size:16px}.tensors{grid-template-columns:1fr}body{padding:16px 16px 40px}}
)";

}  // namespace ppq::html
