"""How a page looks: one style sheet for screens of any width, light and dark, and for paper.

Colours are variables with a light and a dark set; drawings use the same ones (canvas.py). Every text
has a contrast of at least 4.5 with what it stands on, every line of a drawing at least 3 on a dark page.
"""

STYLE = """
:root{--ink:#1c1f24;--muted:#56606b;--paper:#ffffff;--panel:#f4f6f8;--line:#d5d9de;
--shade-a:#eceff3;--shade-b:#dde3ea;--go:#00664d;--nogo:#a33c00;--open:#5b4a9e;--void:#555b63;
--link:#0a58a6;--s-go:#00795b;--s-nogo:#c24f00;--s-open:#6b57b0;--s-void:#6d757f;
--arm-0:#0072b2;--arm-1:#d55e00;--arm-2:#008a65;--arm-3:#b5598b;--arm-4:#a87000;--arm-5:#2f8fc4;--arm-6:#7a5c22;
color-scheme:light dark}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e8eaed;--muted:#a8b0ba;--paper:#14171b;
--panel:#1d2126;--line:#3a414a;--shade-a:#20262d;--shade-b:#2b333c;--go:#3fc39b;--nogo:#ff9a57;
--open:#b7a6f5;--void:#b3bac2;--link:#7db8f0;--s-go:#2fb58d;--s-nogo:#ef7f33;--s-open:#a08ce8;--s-void:#8f979f;
--arm-0:#4aa8e0;--arm-1:#ef7f33;--arm-2:#2fb58d;--arm-3:#d98fb8;--arm-4:#e0a72e;--arm-5:#8fd0f5;--arm-6:#c9a766}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:73rem;padding:1.2rem 1rem 4rem;background:var(--paper);color:var(--ink);
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;overflow-wrap:break-word}
code,h1,table:not(.cards) td:last-child{overflow-wrap:anywhere}
p,ul,.verdict{max-width:54rem}
h1{font-size:1.55rem;line-height:1.25;margin:.4rem 0 .8rem}
h2{font-size:1.22rem;margin:2.6rem 0 .8rem;border-bottom:1px solid var(--line);padding-bottom:.3rem}
h3{font-size:1.02rem}a{color:var(--link)}
nav{font-size:.86rem;color:var(--muted);margin:0 0 1.2rem;line-height:1.9}
nav a{margin-right:.9rem;text-decoration:none;white-space:nowrap}nav a:hover{text-decoration:underline}
.verdict{border-left:.45rem solid;padding:.8rem 1.1rem;background:var(--panel);border-radius:.3rem;margin:0 0 1rem}
.verdict p{margin:.3rem 0 0}.verdict ul{margin:.3rem 0 0;padding-left:1.2rem}.status{font-weight:700;font-size:1.45rem;letter-spacing:.01em}
.go{border-color:var(--go)}.nogo{border-color:var(--nogo)}.open{border-color:var(--open)}.void{border-color:var(--void)}
.go .status,.s-go{color:var(--go)}.nogo .status,.s-nogo{color:var(--nogo)}
.open .status,.s-open{color:var(--open)}.void .status,.s-void{color:var(--void)}
li{margin:.25rem 0}
.wide{overflow-x:auto;margin:1rem 0 1.4rem}
table{border-collapse:collapse;font-size:.87rem;line-height:1.45;min-width:min(100%,34rem)}
table.full{width:100%}
caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{padding:.4rem .65rem;border-bottom:1px solid var(--line);vertical-align:top}
th{background:var(--panel);font-weight:600;overflow-wrap:normal}tbody tr:hover{background:var(--panel)}
.txt{text-align:left}.num{text-align:right;font-variant-numeric:tabular-nums}
td.num{white-space:nowrap}
td:first-child .main{font-weight:600}.kv{color:var(--muted);font-size:.93em}.kv b{font-weight:400;color:var(--ink)}
.kv span,.kv b{white-space:nowrap}
.kv,.main{font-variant-numeric:tabular-nums}.nb{white-space:nowrap}
td code,td.txt{overflow-wrap:anywhere}code,pre{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,monospace;font-size:.86em}
pre{background:var(--panel);padding:.7rem .9rem;border-radius:.3rem;white-space:pre-wrap}
figure{margin:1.2rem 0 1.8rem}
.drawing{overflow-x:auto}figure svg{width:100%;height:auto;display:block}
figure .slim{display:none;max-width:32rem}
figcaption{font-size:.85rem;color:var(--muted);margin-top:.4rem;max-width:54rem}
@media screen and (max-width:47rem){
body{padding:.8rem .8rem 3rem}h1{font-size:1.3rem}
figure .has-slim{display:none}figure .slim{display:block}
.drawing.alone svg{min-width:34rem}
table.cards,table.cards tbody{display:block;width:100%;min-width:0}
table.cards caption{display:block}
table.cards thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table.cards tr{display:block;border:1px solid var(--line);border-radius:.3rem;margin:0 0 .8rem;padding:.3rem 0}
table.cards td{display:block;border:0;padding:.22rem .8rem;text-align:left;white-space:normal}
table.cards td.num{display:flex;justify-content:space-between;gap:1rem}
table.cards .kv{display:flex;justify-content:space-between;gap:1rem}
table.cards .kv b{white-space:normal;text-align:right}
table.cards td[data-label]::before{content:attr(data-label);color:var(--muted);font-size:.93em}
table.cards td.txt[data-label]::before,table.cards td.grp[data-label]::before{display:block}
table.cards td:first-child::before{content:none!important}
table.cards td.txt:first-child:not(.grp){font-weight:600}
table:not(.cards){min-width:0;width:100%}th,td{padding:.35rem .45rem}}
@media print{@page{margin:13mm}body{max-width:none;padding:0;font-size:9.5pt}nav{display:none}
h2{break-after:avoid}figure,tr,.verdict,pre{break-inside:avoid}.wide,.drawing{overflow:visible}
table{font-size:7.6pt}th,td{padding:.25rem .35rem}figure .slim{display:none}a{color:inherit}
.verdict,th,pre{print-color-adjust:exact}}
"""
