import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bench_segmentation.networks.aspp import ASPP
from bench_segmentation.networks.classifiers import biased_fcn, deeplab, deeplab_deep, fcn
from bench_segmentation.networks.resnet import ResNet
from bench_segmentation.networks.segnet import SimpleSegNet
from bench_segmentation.networks.unets import BilinearUNet, TransposedUNet


def parameters(*modules):
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def on_meta(build):
    """Full networks are counted, not computed."""
    with torch.device("meta"):
        return build()


def test_dilation_replaces_strides_and_the_first_block_of_a_stage_keeps_the_one_before():
    net = on_meta(lambda: ResNet(50, 8))
    inner = [[block.conv2.dilation[0] for block in stage] for stage in (net.layer2, net.layer3, net.layer4)]
    assert inner == [[1] * 4, [1] + [2] * 5, [2, 4, 4]]
    strides = [stage[0].conv2.stride[0] for stage in (net.layer1, net.layer2, net.layer3, net.layer4)]
    assert strides == [1, 2, 1, 1]
    assert net.layer3[0].downsample[0].stride == (1, 1)


@pytest.mark.parametrize(("output_stride", "sides"), [(8, [16, 8, 8, 8]), (32, [16, 8, 4, 2])])
def test_a_resnet_gives_four_stages(output_stride, sides):
    with torch.no_grad():
        features = ResNet(50, output_stride, base_channels=2).eval()(torch.randn(1, 3, 64, 64))
    assert [tuple(stage.shape) for stage in features] == [
        (1, 8 * 2**number, side, side) for number, side in enumerate(sides)
    ]


def test_a_bottleneck_is_a_residual():
    net = ResNet(50, 8, base_channels=2).eval()
    block = net.layer1[1]
    nn.init.zeros_(block.bn3.weight)
    features = torch.randn(1, 8, 4, 4)
    assert torch.equal(block(features.clone()), F.relu(features))


def test_names_are_torchvisions():
    names = set(on_meta(lambda: ResNet(50, 8)).state_dict())
    assert {
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.downsample.1.weight",
        "layer4.2.bn3.num_batches_tracked",
    } <= names
    assert len(names) == 318  # of torchvision's resnet50 without `fc`
    head = set(on_meta(lambda: deeplab(2048, 256, 21, 0.5)).state_dict())
    assert {
        "0.convs.0.0.weight",
        "0.convs.3.1.running_mean",
        "0.convs.4.1.weight",
        "0.project.1.bias",
        "4.bias",
    } <= head
    assert len(head) == 44
    assert set(on_meta(lambda: fcn(2048, 512, 21, 0.1)).state_dict()) >= {"0.weight", "1.running_mean", "4.bias"}


def test_the_pyramid_pools_with_the_published_rates():
    pyramid = ASPP(4, 2, dropout=0.5).eval()
    assert [branch[0].dilation[0] for branch in pyramid.convs[:4]] == [1, 12, 24, 36]
    flat = torch.ones(1, 4, 5, 7) * torch.arange(4.0)[:, None, None]
    pooled = pyramid.convs[4](flat)
    assert pooled.shape == (1, 2, 5, 7)
    assert torch.allclose(pooled, pooled[..., :1, :1].expand_as(pooled))
    assert pyramid(flat).shape == (1, 2, 5, 7)


def test_the_deeper_head_has_two_convolutions_for_the_last():
    plain, deep = (on_meta(lambda build=build: build(2048, 256, 17, 0.5)) for build in (deeplab, deeplab_deep))
    assert parameters(deep) - parameters(plain) == 256 * 256 * 9 + 256 + 2 * 256
    assert deep[-1][0].bias is not None
    assert [module.p for module in deep.modules() if isinstance(module, nn.Dropout)] == [0.5, 0.5]


def test_a_biased_head_has_one_vector_more():
    plain, biased = (on_meta(lambda build=build: build(2048, 512, 19, 0.1)) for build in (fcn, biased_fcn))
    assert parameters(biased) - parameters(plain) == 512


def test_segnet_puts_values_back_where_the_maxima_were():
    torch.manual_seed(0)
    net = SimpleSegNet(2, base_channels=2).eval()
    noted = []
    net.decoders[-1].register_forward_pre_hook(lambda _, inputs: noted.append(inputs[0]))
    first = []
    net.encoders[0].register_forward_hook(lambda *arguments: first.append(arguments[-1]))
    with torch.no_grad():
        net(torch.randn(1, 3, 16, 16))
    _, places = F.max_pool2d(first[0], 2, return_indices=True)
    filled = torch.zeros(2, 256).scatter(1, places[0].flatten(1), 1).view(2, 16, 16).bool()
    assert (noted[0][0][~filled] == 0).all()
    assert noted[0][0][filled].any()


@pytest.mark.parametrize("network", [SimpleSegNet, TransposedUNet, BilinearUNet])
@pytest.mark.parametrize("size", [(32, 32), (45, 60)])
def test_logits_have_the_size_of_the_images(network, size):
    torch.manual_seed(0)
    net = network(5, base_channels=2).eval()
    with torch.no_grad():
        logits = net(torch.randn(2, 3, *size))
    assert logits.shape == (2, 5, *size)
    assert logits.std() > 0


@pytest.mark.parametrize("network", [TransposedUNet, BilinearUNet])
def test_a_u_net_joins_every_stage(network):
    torch.manual_seed(0)
    net = network(3, base_channels=2).eval()
    images = torch.randn(1, 3, 32, 32)
    skips = []
    for down in list(net.downs)[:4]:
        down.register_forward_hook(lambda *arguments: skips.append(arguments[-1]) or arguments[-1])
    joined = []
    for merge in net.merges:
        merge.register_forward_pre_hook(lambda _, inputs: joined.append(inputs[0]))
    with torch.no_grad():
        net(images)
    for skip, both in zip(reversed(skips), joined, strict=True):
        assert torch.equal(both[:, : skip.shape[1]], skip)
        assert both.shape[1] == 2 * skip.shape[1]


def test_dropout_works_in_training_alone():
    net = BilinearUNet(3, base_channels=4, dropout=0.5)
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        assert not torch.equal(net(images), net(images))
        assert torch.equal(net.eval()(images), net(images))
