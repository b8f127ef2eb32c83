using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(StackFirst))]

namespace AiBackend.Tests.Fixtures;

/// <summary>
/// The tests that share a stack take a third of the time, one after another: begun last, they would run alone at the end. The others come as they
/// would, in another order each time.
/// </summary>
public sealed class StackFirst : ITestCollectionOrderer
{
    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [
            .. DefaultTestCollectionOrderer
                .Instance.OrderTestCollections(testCollections)
                .OrderByDescending(collection => collection.TestCollectionDisplayName == StackCollection.Name),
        ];
}
