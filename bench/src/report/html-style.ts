/** The report's style: one column, light and dark, for a screen, a phone and paper. */
export const REPORT_STYLE = `
:root{--panel:#f5f7f9;--strong:#17202a}
@media (prefers-color-scheme:dark){:root{--panel:#182028;--strong:#eef2f6}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:944px;padding:32px 24px 64px;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
h1{font-size:30px;line-height:1.2;margin:0 0 16px;color:var(--strong);letter-spacing:-.01em}
h2{font-size:21px;margin:52px 0 6px;color:var(--strong)}
h3{font-size:15px;margin:26px 0 4px;color:var(--strong)}
h4{font-size:14px;margin:14px 0 2px}
p{margin:6px 0 12px}
.meta{font-size:13.5px;opacity:.85}
.headline{font-size:34px;margin-bottom:8px}
.headline strong{font-size:52px;line-height:1;color:var(--better);letter-spacing:-.02em}
.warning{border-left:4px solid var(--worse);padding:6px 12px;background:var(--panel);font-size:14.5px}
.verdict{margin:4px 0;padding-left:12px;border-left:4px solid var(--none);font-size:15px}
.verdict.better{border-color:var(--better)}.verdict.worse{border-color:var(--worse)}
.links{font-size:13px;white-space:nowrap}a{color:var(--better)}
.pre{white-space:pre-line}
figure{margin:12px 0}
figure svg{display:block;max-width:100%;height:auto}
figure.narrow{display:none}
.scroll{overflow-x:auto;margin:14px 0}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:5px 5px 5px 8px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--faint)}
thead th{border:0;font-weight:600;color:var(--strong);padding-bottom:0}
thead .unit th{font-weight:400;font-size:11.5px;opacity:.75;color:var(--ink);padding-top:0;border-bottom:1px solid var(--ink)}
tbody th{text-align:left;font-weight:500;white-space:normal;min-width:120px}
tbody th,thead th:first-child{position:sticky;left:0;background:var(--ground)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;margin:4px 0;padding:0;font-size:13.5px}
.legend i{display:inline-block;width:16px;height:4px;border-radius:2px;margin-right:6px;vertical-align:middle}
details{font-size:13.5px;margin-top:14px}summary{cursor:pointer}
details ul{margin:4px 0;padding-left:20px;overflow-wrap:anywhere}
code{font-size:.92em;overflow-wrap:anywhere}
@media (max-width:640px){
 body{padding:20px 16px 48px;font-size:15.5px}h1{font-size:25px}.headline{font-size:26px}.headline strong{font-size:38px}h2{margin-top:40px}
 figure.wide{display:none}figure.narrow{display:block}
 tbody th{min-width:108px;max-width:120px;overflow-wrap:break-word}th,td{padding:6px 6px 6px 9px}
}
@media print{
 :root{--panel:#f5f7f9;--strong:#000;--ink:#222}
 body{max-width:none;padding:0;font-size:10.5pt}h2{margin-top:22pt}
 figure.narrow{display:none}figure.wide{display:block}
 .scroll{overflow:visible}table{font-size:8pt}th,td{padding:3px 2px 3px 5px}tbody th{overflow-wrap:anywhere}details:not([open]){display:none}
 h2,h3{break-after:avoid}figure,table,.headline{break-inside:avoid}
}
`
