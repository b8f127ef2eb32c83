using System.Text.RegularExpressions;
using AiBackend.Tests.Guards;

namespace AiBackend.Tests.Architecture;

/// <summary>No guard is taken out, or put in, unseen.</summary>
/// <remarks>
/// That an endpoint names its policy is in SurfaceTests. These are the calls that decide within one or in front of all, and what may be connected to. Each
/// is in the list of Guards with its test; GuardMutationTests takes every one out and sees that test fail.
/// </remarks>
public sealed partial class GuardCallTests
{
    [Fact]
    public async Task A_38_every_call_of_a_guard_is_in_the_list_of_those_with_a_test()
    {
        var calls = (await Repository.FilesAsync())
            .Where(path => Shipped().IsMatch(path))
            .ToDictionary(path => path, path => Guard().Count(Comment().Replace(Repository.Read(path), "")), StringComparer.Ordinal);
        var listed = AllGuards.List.ToLookup(guard => guard.File, StringComparer.Ordinal);

        Findings.None(
            "A guard was put in. See its test fail without it, and put both into Guards.",
            calls
                .Select(file => (file.Key, Calls: file.Value, Listed: listed[file.Key].Sum(guard => Guard().Count(guard.Call))))
                .Where(each => each.Calls > each.Listed)
                .Select(each => $"{each.Key}: {each.Calls} calls, {each.Listed} in the list")
        );
    }

    /// <summary>Who may do it, from where, and where to.</summary>
    [GeneratedRegex(
        @"\begress\.Check\(|\b_?rules\.(Fault|MayConnect)\(|\.IsOperator\(\)|\.IsBesideOperators\(\)|(\bcaller|GetCaller\(\))\.Has\(|\.Meets\(|\.MayComeFrom\(|HubDoor\.CheckOriginAsync|MeantTenant\.CheckAsync|<AddressLimits>\(\)\.InvokeAsync|\.CountUnknown\(",
        RegexOptions.ExplicitCapture
    )]
    private static partial Regex Guard();

    [GeneratedRegex(@"^\s*//.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"^AiBackend\.(Api|Core|Worker)/.+\.cs$", RegexOptions.ExplicitCapture)]
    private static partial Regex Shipped();
}
