namespace AiBackend.Tests.Web;

/// <summary>What a model may be talked into writing.</summary>
internal static class HostileTexts
{
    public static readonly string[] Pieces =
    [
        "<script>window.hit=1</script>",
        "</script>",
        "<img src=x onerror=window.hit=1>",
        "<svg onload=window.hit=1>",
        "<iframe src=https://evil.example></iframe>",
        "<style>body{display:none}</style>",
        "<a href=javascript:window.hit=1>x</a>",
        "[a](javascript:window.hit=1)",
        "[a](JaVaScRiPt:window.hit=1)",
        "[a](&#106;avascript:window.hit=1)",
        "[a](&#x6A;avascript:window.hit=1)",
        "[a](javascript&colon;window.hit=1)",
        "[a](java\tscript:window.hit=1)",
        "[a](%6Aavascript:window.hit=1)",
        "[a](\u0001javascript:window.hit=1)",
        "[a](<java script:window.hit=1>)",
        "[a](javascript://example.com/%0Awindow.hit=1)",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "[a](vbscript:x)",
        "[a](file:///etc/passwd)",
        "[a](blob:https://x/y)",
        "<javascript:window.hit=1>",
        "<data:text/html,x>",
        "[a][r]\n\n[r]: javascript:window.hit=1\n\n",
        "![i](https://evil.example/x.png)",
        "![i](javascript:window.hit=1)",
        "[![i](https://evil.example/x.png)](https://evil.example)",
        "![v](https://www.youtube.com/watch?v=dQw4w9WgXcQ)",
        "# h {#__proto__}",
        "**b**{onclick=window.hit=1}",
        "p {style=position:fixed;inset:0}",
        ":::evil\nx\n:::",
        "```mermaid\ngraph TD; a[<img src=x onerror=window.hit=1>]\n```\n",
        "```\" onmouseover=window.hit=1 x=\"\ncode\n```\n",
        "[a](https://ok.example \"t\\\" onclick=window.hit=1\")",
        "[a](https://ok.example/\"onclick=\"window.hit=1)",
        "\u202Etxt.exe\u202C",
        "\u2066\u2069\u200B\uFEFF",
        "\u001B[2J\u001B]0;owned\u0007",
        "\0\0",
        "| a | b |\n|---|---|\n| <img src=x onerror=window.hit=1> | [x](javascript:window.hit=1) |\n\n",
        "\n\n",
        "> ",
        "- ",
        "`",
        "**",
        "](",
    ];

    public static readonly string[] All =
    [
        .. Pieces,
        new string('>', 20_000),
        new string('[', 20_000),
        string.Concat(Enumerable.Repeat("***", 8_000)),
        string.Concat(Enumerable.Repeat("[a](", 5_000)),
        new string('x', 100_000),
        string.Concat(Enumerable.Repeat("<div>", 10_000)),
    ];
}
