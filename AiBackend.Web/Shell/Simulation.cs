namespace AiBackend.Web.Shell;

/// <summary>Whether the reader is told that a simulated model answers. One per circuit.</summary>
/// <remarks>The site speaks for what will be asked; a page that shows an answer knows who really gave it.</remarks>
internal sealed class Simulation
{
    private bool? _site;
    private bool? _page;
    private object? _speaker;

    /// <summary>Called after every change.</summary>
    public Action? Changed { get; set; }

    /// <summary>Whether every configured provider is simulated; null until the Api told.</summary>
    public bool? Site
    {
        get => _site;
        set
        {
            _site = value;
            Changed?.Invoke();
        }
    }

    public bool IsTold => _page ?? _site ?? false;

    /// <summary>What the page knows better; null when nothing yet.</summary>
    public void SetPage(object page, bool? isSimulated)
    {
        if (ReferenceEquals(_speaker, page) && _page == isSimulated)
        {
            return;
        }

        (_speaker, _page) = (page, isSimulated);
        Changed?.Invoke();
    }

    /// <summary>The page is gone. The next one may have spoken already.</summary>
    public void Leave(object page)
    {
        if (ReferenceEquals(_speaker, page))
        {
            SetPage(page, null);
        }
    }
}
